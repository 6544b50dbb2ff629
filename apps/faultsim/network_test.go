package faultsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/internal/memhttp"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// errKilled is the error of a killed process's calls. They get it when the run is over.
var errKilled = errors.New("faultsim: the process was killed")

// call is one request from a process to the local AWS, with its answer.
type call struct {
	process *process
	action  string
	request parsed
	about   []string // labels of the messages
	began   time.Duration

	// The following fields are drawn from the call's identity: its action and messages,
	// and how often the same call was made before. So they are the same when the seed
	// runs again, whatever the order of the goroutines.

	out, back time.Duration
	faults    *fault.Faults
	// killAt is the moment of the call at which its process is killed. Empty: it is not
	// killed.
	killAt moment
	// noticed: the server learns at once that the caller is gone.
	noticed bool

	// received are the messages in the server's answer.
	received []received
}

// moment is a point in the course of a call.
type moment string

const (
	onTheWay    moment = "its call is on the way"
	hasEffect   moment = "its call has taken effect"
	answerIsDue moment = "the answer is there"
)

// RoundTrip implements http.RoundTripper.
func (p *process) RoundTrip(request *http.Request) (*http.Response, error) {
	if p.isDead() {
		<-p.world.over
		return nil, errKilled
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	_ = request.Body.Close()
	c := p.world.call(p, request, body)
	// The server's side of the connection.
	ctx, hangUp := context.WithCancel(context.WithValue(context.WithoutCancel(request.Context()), callKey{}, c))
	sent := request.Clone(fault.NewContext(ctx, c.faults))
	sent.Body = io.NopCloser(bytes.NewReader(body))
	answered := make(chan answer, 1)
	go func() {
		defer hangUp()
		answered <- c.carry(sent)
	}()
	var a answer
	select {
	case a = <-answered:
	case <-request.Context().Done():
		a.err = request.Context().Err()
	case <-p.killed:
	}
	if c.noticed {
		hangUp()
	}
	if p.isDead() {
		<-p.world.over
		return nil, errKilled
	}
	p.world.onAnswer(c, a)
	return a.response, a.err
}

type answer struct {
	response *http.Response
	err      error
}

// carry brings a request to the server and the answer back, with the network's delays.
func (c *call) carry(request *http.Request) answer {
	// The kill is not at the start of the call, because other calls may start at the same
	// instant.
	time.Sleep(c.out / 2)
	c.passes(onTheWay)
	time.Sleep(c.out - c.out/2)
	if err := request.Context().Err(); err != nil {
		return answer{err: err} // the connection was closed before the request arrived
	}
	server := memhttp.Transport{Handler: http.HandlerFunc(c.process.world.serve)}
	response, err := server.RoundTrip(request) //nolint:bodyclose // the process closes it
	c.passes(hasEffect)
	time.Sleep(c.back)
	c.passes(answerIsDue)
	return answer{response, err}
}

// passes kills the process if killAt is this moment.
func (c *call) passes(m moment) {
	if c.killAt == m {
		c.process.kill("%s (%s)", m, c)
	}
}

// callKey is the context key of the call.
type callKey struct{}

// serve passes a request to the local AWS and records what happens.
func (w *world) serve(answer http.ResponseWriter, request *http.Request) {
	c := request.Context().Value(callKey{}).(*call)
	w.onArrival(c)
	defer func() {
		lost := recover()
		w.onEffect(c, answer.(*httptest.ResponseRecorder), lost != nil)
		if lost != nil {
			panic(lost)
		}
	}()
	w.server.ServeHTTP(answer, request)
}

// call registers a call and draws its delays, faults and kill.
func (w *world) call(p *process, request *http.Request, body []byte) *call {
	c := &call{process: p, began: w.now()}
	c.parse(request, body)
	w.mu.Lock()
	defer w.mu.Unlock()
	c.about = w.about(c)
	identity := strings.Join(append([]string{c.action}, c.about...), " ")
	if len(c.about) == 0 {
		identity = p.name + " " + c.action
	}
	w.calls[identity]++
	r := draw(w.plan.seed, fmt.Sprint(identity, " ", w.calls[identity]))
	c.out, c.back = w.plan.network.draw(r), w.plan.network.draw(r)
	c.noticed = r.IntN(2) == 0
	c.faults = &fault.Faults{}
	c.faults.Set(r.Uint64(), w.plan.faultsAt(c.began)...)
	if r.Float64() < w.plan.killRate && c.began < w.plan.calm && w.kills < w.plan.kills && !strings.HasPrefix(p.name, "producer") {
		w.kills++
		c.killAt = pick(r, onTheWay, hasEffect, answerIsDue)
	}
	if c.began >= w.plan.calm {
		c.out, c.back = min(c.out, w.plan.network.latency), min(c.back, w.plan.network.latency)
	}
	w.onCall(c)
	return c
}

func (n network) draw(r *rand.Rand) time.Duration {
	d := between(r, 0, n.latency)
	if slow := between(r, 0, n.slowest); r.Float64() < n.slow {
		return slow
	}
	return d
}

// parsed has the fields of a request that the tests read.
type parsed struct {
	QueueURL    string `json:"QueueUrl"`
	MessageBody string
	Entries     []struct {
		MessageBody, ReceiptHandle string
		VisibilityTimeout          int
	}
	key string // of an object
}

func (c *call) parse(request *http.Request, body []byte) {
	target := request.Header.Get("X-Amz-Target")
	if target == "" {
		c.action = "S3:" + request.Method
		c.request.key = strings.TrimPrefix(request.URL.Path, "/"+bucketName+"/")
		return
	}
	c.action = strings.TrimPrefix(target, "AmazonSQS.")
	if err := json.Unmarshal(body, &c.request); err != nil {
		panic(fmt.Sprintf("the SDK sends %s", body)) // a bug of this test
	}
}

// String returns the call as the history shows it.
func (c *call) String() string {
	return strings.TrimSpace(c.action + " " + strings.Join(c.about, " "))
}

// struck reports whether a fault other than a delay hit the call.
func (c *call) struck() bool {
	return slices.ContainsFunc(c.faults.Struck(), func(f fault.Fault) bool { return f.Code != "" || f.Lost || f.Duplicate })
}

// outcome returns the end of the call as the history shows it.
func (c *call) outcome(a answer) string {
	var b strings.Builder
	switch {
	case errors.Is(a.err, memhttp.ErrLost):
		b.WriteString("no answer, the connection broke")
	case a.err != nil:
		fmt.Fprintf(&b, "no answer: %v", a.err)
	default:
		b.WriteString(a.response.Status)
	}
	for _, f := range c.faults.Struck() {
		switch {
		case f.Entry:
			fmt.Fprintf(&b, ", entries fail with %s", f.Code)
		case f.Duplicate:
			b.WriteString(", duplicated")
		case f.Stale:
			b.WriteString(", old handle")
		case f.Code != "":
			fmt.Fprintf(&b, " %s", f.Code)
		}
		if f.Late {
			b.WriteString(", after it took effect")
		}
	}
	return b.String()
}
