package faultsim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// The settings of every run.
const (
	region     = "eu-west-1"
	account    = "000000000000"
	sourceName = "events"
	deadName   = "events-dlq"
	bucketName = "stored-events"
	// maxReceives is the maxReceiveCount of the composition's queues.
	maxReceives = 10
	// patience is how long the queue may take to become empty after the last fault. A
	// message that failed is hidden for up to 15 minutes each time.
	patience = 3 * time.Hour
	// restart is the longest time until a pod that ended is replaced.
	restart = 5 * time.Second
)

// result is the result of a run.
type result struct {
	seed       int
	violations []violation
	history    []line
	calls      int
	took       time.Duration // in the bubble's time
}

// broke reports whether the run broke an invariant.
func (r result) broke(i invariant) bool {
	return slices.ContainsFunc(r.violations, func(v violation) bool { return v.invariant == i })
}

// line is a line of a run's history.
type line struct {
	at        time.Duration
	who, what string
}

// text returns the history. It sorts the lines of the same instant, which goroutines
// write in any order.
func (r result) text() string {
	slices.SortStableFunc(r.history, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.who, b.who), strings.Compare(strings.TrimSpace(a.what), strings.TrimSpace(b.what)))
	})
	var b strings.Builder
	for _, l := range r.history {
		fmt.Fprintf(&b, "%14.6f  %-9s %s\n", l.at.Seconds(), l.who, l.what)
	}
	return b.String()
}

// world is one run: the local AWS, the processes that call it, and the facts about their
// messages.
type world struct {
	plan    plan
	variant *variant // nil: the real consumer
	server  *localaws.Server
	clock   *jumpingClock
	began   time.Time
	// ending is closed when no pod may start any more. over is closed when the run is
	// over: then the calls of killed processes fail, so that their goroutines end.
	ending, over chan struct{}
	pods         sync.WaitGroup

	mu        sync.Mutex
	processes []*process
	history   []line
	calls     map[string]int // by identity
	kills     int
	ledger
}

// simulate runs a seed in a bubble of testing/synctest.
func simulate(t *testing.T, seed int, v *variant) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newPlan(seed), v)
		w.run()
		r = result{seed: seed, violations: w.violations, history: w.history, took: w.now()}
		for _, n := range w.calls {
			r.calls += n
		}
	})
	return r
}

func newWorld(t *testing.T, p plan, v *variant) *world {
	t.Helper()
	// A bubble's time starts at midnight UTC.
	time.Sleep(24*time.Hour - p.midnight)
	w := &world{
		plan: p, variant: v, clock: &jumpingClock{}, began: time.Now(), ending: make(chan struct{}), over: make(chan struct{}),
		calls: map[string]int{}, ledger: newLedger(),
	}
	delay := 2
	server, err := localaws.New(localaws.Config{
		Region: region, AccountID: account, Buckets: []string{bucketName},
		Queues: []localaws.Queue{
			{
				Name: sourceName, DelaySeconds: &delay, VisibilityTimeout: &p.visibility,
				Redrive: &localaws.Redrive{DeadLetterQueue: deadName, MaxReceiveCount: maxReceives},
			},
			{Name: deadName},
		},
	}, localaws.WithClock(w.clock))
	if err != nil {
		t.Fatal(err)
	}
	w.server = server
	return w
}

func (w *world) now() time.Duration { return time.Since(w.began) }

// note adds a line to the history.
func (w *world) note(who, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(who, format, args...)
}

func (w *world) noteLocked(who, format string, args ...any) {
	w.history = append(w.history, line{w.now(), who, fmt.Sprintf(format, args...)})
}

// run executes the plan and checks the invariants.
func (w *world) run() {
	w.note("plan", "%s", w.plan)
	w.send(poison(w.plan.poison))
	produced := make(chan struct{})
	go func() { defer close(produced); w.produce() }()
	for i := range w.plan.pods {
		w.pods.Go(func() { w.pod(i) })
	}
	go w.moveClock()
	w.awaitDrained(produced)
	w.end()
	w.judge()
}

// jumpingClock is the bubble's clock plus an offset.
type jumpingClock struct{ offset atomic.Int64 }

// Now implements localaws.Clock.
func (c *jumpingClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// After implements localaws.Clock. Waits use a clock that does not jump, as in every
// operating system.
func (c *jumpingClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (w *world) moveClock() {
	for _, j := range w.plan.jumps {
		if w.pause(j.at - w.now()); w.isEnding() {
			return
		}
		w.clock.offset.Add(int64(j.by))
		w.mu.Lock()
		w.noteLocked("aws", "its clock jumps by %s", j.by)
		w.excuseAll()
		w.mu.Unlock()
	}
}

// pause waits for d, or until the run is ending.
func (w *world) pause(d time.Duration) {
	select {
	case <-w.ending:
	case <-time.After(d):
	}
}

func (w *world) isEnding() bool {
	select {
	case <-w.ending:
		return true
	default:
		return false
	}
}

// awaitDrained waits until the source queue is empty or an invariant is broken.
func (w *world) awaitDrained(produced <-chan struct{}) {
	wait := time.Second
	for {
		time.Sleep(wait)
		wait = min(wait*5/4, 20*time.Second)
		w.mu.Lock()
		wrong := len(w.violations) > 0
		w.mu.Unlock()
		if wrong {
			return
		}
		if w.now() > w.plan.calm+patience {
			w.violate(drained, "%s after the last fault the queue holds %v", patience, w.depth())
			return
		}
		select {
		case <-produced:
			if w.depth() == ([3]int{}) {
				return
			}
		default:
		}
	}
}

// end asks all processes to end, and ends the killed ones' goroutines.
func (w *world) end() {
	close(w.ending)
	w.pods.Wait()
	w.mu.Lock()
	processes := w.processes
	w.mu.Unlock()
	for _, p := range processes {
		p.ask()
	}
	// This is longer than any process may take, so a process that takes too long is
	// noticed. It is also longer than a call waits in the server for a caller that is
	// gone.
	time.Sleep(2 * time.Minute)
	killed := slices.ContainsFunc(processes, (*process).isDead)
	if !killed {
		w.checkLeaks()
	}
	close(w.over)
	for _, p := range processes {
		<-p.ended
	}
	if killed {
		// The goroutines of a killed process can end only now, after its calls have
		// failed.
		time.Sleep(2 * time.Minute)
		w.checkLeaks()
	}
}

// ask calls the server directly, without network and faults.
func (w *world) ask(r *http.Request, out any) int {
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	if out == nil {
		return answer.Code
	}
	if err := json.Unmarshal(answer.Body.Bytes(), out); err != nil {
		panic(fmt.Sprintf("the local AWS answers with %s", answer.Body)) // a bug of this test
	}
	return answer.Code
}

func (w *world) askSQS(action string, in, out any) {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // a struct of plain values
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	w.ask(r, out)
}

func queueURL(name string) string { return "http://" + host + "/" + account + "/" + name }

// depth returns the numbers of visible, in-flight and delayed messages of the source
// queue.
func (w *world) depth() (depth [3]int) {
	var out struct{ Attributes map[string]string }
	w.askSQS("GetQueueAttributes", map[string]any{"QueueUrl": queueURL(sourceName), "AttributeNames": []string{"All"}}, &out)
	for i, kind := range []string{"", "NotVisible", "Delayed"} {
		_, _ = fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"+kind], &depth[i])
	}
	return depth
}

// poison returns n messages that are not events.
func poison(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("this is no JSON, %d", i+1))
	}
	return bodies
}

// send sends messages that come from no producer.
func (w *world) send(bodies []string) {
	for i, body := range bodies {
		w.askSQS("SendMessage", map[string]any{"QueueUrl": queueURL(sourceName), "MessageBody": body}, nil)
		w.mu.Lock()
		w.letters[body] = &letter{label: fmt.Sprintf("x%d!", i+1), acknowledged: true}
		w.mu.Unlock()
	}
}
