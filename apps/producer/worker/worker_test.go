package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// server is the local AWS with one queue, and the SDK's client.
type server struct {
	*testing.T
	faults *localaws.Faults
	client *sqs.Client
	url    string
}

func startServer(t *testing.T) *server {
	t.Helper()
	faults := &localaws.Faults{}
	handler, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q"}},
	}, localaws.WithFaults(faults))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	client := sqs.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, HTTPClient: awshttp.New(),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	return &server{T: t, faults: faults, client: client, url: listener.URL + "/000000000000/q"}
}

// worker returns a worker with the settings of all cases filled in, and its log.
func (s *server) worker(c config.Config) (*Worker, *bytes.Buffer) {
	return newWorker(c, nil, s.client, s.url)
}

func newWorker(c config.Config, t trace.Trace, queue Queue, url string) (*Worker, *bytes.Buffer) {
	log := &bytes.Buffer{}
	c.Queue, c.Concurrency = "q", max(1, c.Concurrency)
	return New(c, t, queue, url, slog.New(slog.NewJSONHandler(log, nil)), metrics.NewSet()), log
}

func (s *server) depth() int {
	s.Helper()
	out, err := s.client.GetQueueAttributes(s.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &s.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		s.Fatal(err)
	}
	n, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	return n
}

// message has the fields by which a message is checked.
type message struct {
	requestID, eventType, sha256 string
	ts                           time.Time
}

// receive takes n messages from the queue.
func (s *server) receive(n int) (bodies map[message]int) {
	s.Helper()
	bodies = map[message]int{}
	for received := 0; received < n; {
		out, err := s.client.ReceiveMessage(s.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &s.url, MaxNumberOfMessages: maxBatch, MessageAttributeNames: []string{event.TypeAttribute},
		})
		if err != nil || len(out.Messages) == 0 {
			s.Fatalf("received %d messages, then %v", received, err)
		}
		for _, m := range out.Messages {
			var e event.Event
			if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
				s.Fatal(err)
			}
			sum := fmt.Sprintf("%x", sha256.Sum256([]byte(*m.Body)))
			bodies[message{e.RequestID, *m.MessageAttributes[event.TypeAttribute].StringValue, sum, e.TS}]++
			received++
		}
	}
	return bodies
}

// The log names each message of the queue, with the object that it must become, and no
// other message. `make demo` judges a run by this log. The same log follows from the
// seed.
func TestLogIsWhatTheQueueHolds(t *testing.T) {
	const total = 295
	for _, concurrency := range []int{1, 8} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			s := startServer(t)
			s.faults.Add(localaws.Fault{Action: "SendMessageBatch", Times: 12, Code: "InternalError", Entry: true})
			s.faults.Add(localaws.Fault{Action: "SendMessageBatch", Times: 3, Code: "RequestThrottled", Status: 400})
			w, log := s.worker(config.Config{
				Total: total, Concurrency: concurrency, BadPercent: 20, DuplicatePercent: 20, Seed: 11,
			})
			if err := w.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := s.depth(); n != total {
				t.Errorf("the queue holds %d messages, want %d", n, total)
			}
			logged, sent, counted := map[message]int{}, map[sentMessage]int{}, map[kind]uint64{}
			for line := range strings.Lines(log.String()) {
				var entry struct {
					Msg            string    `json:"msg"`
					RequestID      string    `json:"request_id"`
					Type           string    `json:"event_type"`
					TS             time.Time `json:"ts"`
					SHA256         string    `json:"sha256"`
					Bad, Duplicate bool
				}
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatal(err)
				}
				if entry.Msg == "event produced" {
					logged[message{entry.RequestID, entry.Type, entry.SHA256, entry.TS}]++
					sent[sentMessage{entry.RequestID, entry.Type, entry.Bad, entry.Duplicate}]++
				}
			}
			if held := s.receive(total); !maps.Equal(logged, held) {
				t.Errorf("the log names %v, the queue holds %v", logged, held)
			}
			if want := firstOf(w.source, total); !maps.Equal(sent, want) {
				t.Errorf("sent %v, the seed has %v", sent, want)
			}
			for m, n := range sent {
				counted[kind{m.eventType, m.bad, m.duplicate}] += uint64(n)
			}
			for k, want := range counted {
				if n := w.counters[k].Get(); n != want {
					t.Errorf("%d messages of %+v are counted, want %d", n, k, want)
				}
			}
		})
	}
}

// sentMessage is a message that follows from the seed.
type sentMessage struct {
	requestID, eventType string
	bad, duplicate       bool
}

func firstOf(source events.Source, n int) map[sentMessage]int {
	first := map[sentMessage]int{}
	for i := range n {
		m := source.At(i)
		first[sentMessage{m.RequestID, m.EventType, m.Bad, m.Duplicate}]++
	}
	return first
}

func TestFailureForGoodIsAnError(t *testing.T) {
	for name, fault := range map[string]localaws.Fault{
		"the call": {Action: "SendMessageBatch", Times: 1, Code: "AccessDenied", Status: 403},
		"an entry": {Action: "SendMessageBatch", Times: 1, Code: "InvalidMessageContents", Status: 400, Entry: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			s.faults.Add(fault)
			w, log := s.worker(config.Config{Total: 1})
			if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), fault.Code) {
				t.Errorf("error %v, want %s", err, fault.Code)
			}
			if strings.Contains(log.String(), "event produced") {
				t.Error("a message that was not sent is named as produced")
			}
			if !strings.Contains(log.String(), `"msg":"not all was sent","sent":0,"dispatched":1`) {
				t.Errorf("the log does not say what was sent: %s", log)
			}
		})
	}
}

// fakeQueue answers after a while of fake time and keeps the messages that it accepted.
type fakeQueue struct {
	// answer returns the answer to a call, with its entries. If it is nil, all entries
	// are accepted.
	answer func(call int, in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error)
	delay  func() time.Duration

	mu         sync.Mutex
	calls      int
	busy, most int
	bodies     []string
	times      []time.Time
}

func (q *fakeQueue) SendMessageBatch(
	ctx context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options),
) (*sqs.SendMessageBatchOutput, error) {
	call := q.begin()
	if q.delay != nil {
		if err := sleep(ctx, q.delay()); err != nil {
			q.end(nil)
			return nil, err
		}
	}
	if q.answer != nil {
		if out, err := q.answer(call, in); out != nil || err != nil {
			q.end(nil)
			return out, err
		}
	}
	q.end(in.Entries)
	return accept(in.Entries), nil
}

func (q *fakeQueue) begin() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls++
	q.busy++
	q.most = max(q.most, q.busy)
	return q.calls
}

func (q *fakeQueue) end(taken []types.SendMessageBatchRequestEntry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	for _, e := range taken {
		q.bodies = append(q.bodies, *e.MessageBody)
		q.times = append(q.times, time.Now())
	}
}

func accept(entries []types.SendMessageBatchRequestEntry) *sqs.SendMessageBatchOutput {
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range entries {
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out
}

// withoutTime returns the bodies sorted, each without its ts.
func withoutTime(t *testing.T, bodies []string) []string {
	t.Helper()
	var plain []string
	for _, body := range bodies {
		var fields map[string]any
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, "ts")
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, string(text))
	}
	slices.Sort(plain)
	return plain
}

// The same seed sends the same messages, whatever the number of concurrent calls, their
// duration and their failures.
func TestSameSeedSameMessages(t *testing.T) {
	send := func(concurrency int, timing uint64) (bodies []string) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(timing, 0))
			var mu sync.Mutex
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			q := &fakeQueue{
				delay: func() time.Duration { return time.Duration(draw(200)) * time.Millisecond },
				answer: func(int, *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
					if draw(5) == 0 {
						return nil, errors.New("the connection broke")
					}
					return nil, nil
				},
			}
			w, _ := newWorker(config.Config{Total: 503, Concurrency: concurrency, Seed: 42, BadPercent: 15, DuplicatePercent: 15}, nil, q, "")
			if err := w.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if q.most > concurrency || concurrency > 1 && q.most == 1 {
				t.Errorf("%d calls at a time, with CONCURRENCY=%d", q.most, concurrency)
			}
			bodies = withoutTime(t, q.bodies)
		})
		return bodies
	}
	want := send(1, 1)
	var fromSeed []string
	for i := range 503 {
		fromSeed = append(fromSeed, events.Source{Seed: 42, BadPercent: 15, DuplicatePercent: 15}.At(i).Body(time.Now()))
	}
	if !slices.Equal(want, withoutTime(t, fromSeed)) {
		t.Error("what was sent is not what the seed says")
	}
	for timing := range uint64(5) {
		if got := send(16, timing); !slices.Equal(got, want) {
			t.Errorf("timing %d: other messages with CONCURRENCY=16", timing)
		}
	}
}

// Without a seed each run draws its own and logs it.
func TestSeedIsDrawn(t *testing.T) {
	seeds := map[int]bool{}
	for range 10 {
		w, log := newWorker(config.Config{Total: 1}, nil, &fakeQueue{}, "")
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`"msg":"total reached","total":1,"seed":%d}`, w.source.Seed); !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
		seeds[w.source.Seed] = true
	}
	if len(seeds) != 10 || seeds[0] {
		t.Errorf("ten runs have the seeds %v", seeds)
	}
}

// After the request to end no call begins, and the calls in progress finish. The sent
// messages are the first events of the seed.
func TestAskedToEnd(t *testing.T) {
	for name, c := range map[string]config.Config{
		"between messages":      {WaitSeconds: 3600},
		"flat out":              {Concurrency: 8},
		"at a rate":             {MsgsPerSec: 300, Concurrency: 4},
		"slower than the calls": {MsgsPerSec: 5000, Concurrency: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{delay: func() time.Duration { return time.Duration(50+rand.IntN(300)) * time.Millisecond }}
				w, log := newWorker(c, nil, q, "")
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begun := time.Now()
				if err := w.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun) - 10*time.Second; took > 350*time.Millisecond {
					t.Errorf("it ended %s after it was asked to", took)
				}
				var want []string
				for i := range len(q.bodies) {
					want = append(want, w.source.At(i).Body(time.Now()))
				}
				if !slices.Equal(withoutTime(t, q.bodies), withoutTime(t, want)) {
					t.Error("what was sent is not the first events of the seed")
				}
				if want := fmt.Sprintf(`"msg":"asked to end","sent":%d,"seed":`, len(q.bodies)); !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s", want)
				}
			})
		})
	}
}

// A queue that does not answer, or always fails, does not delay the end.
func TestDrainIsBounded(t *testing.T) {
	for name, q := range map[string]*fakeQueue{
		"no answer": {delay: func() time.Duration { return time.Hour }},
		"broken connections": {answer: func(int, *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
			return nil, errors.New("unexpected EOF")
		}},
		"throttled": {answer: func(int, *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
			return nil, &smithy.GenericAPIError{Code: "RequestThrottled", Fault: smithy.FaultClient}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, log := newWorker(config.Config{Concurrency: 4}, nil, q, "")
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				begun := time.Now()
				err := w.Run(ctx)
				if took := time.Since(begun) - 3*time.Second; took > config.Drain {
					t.Errorf("it ended %s after it was asked to, want at most %s", took, config.Drain)
				}
				if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "after 10s SQS has not acknowledged") {
					t.Errorf("error %v", err)
				}
				if !strings.Contains(log.String(), `"msg":"not all was sent","sent":0,"dispatched":40`) {
					t.Errorf("the log does not say what was sent: %s", log)
				}
			})
		})
	}
}

// Failed calls and entries are sent again until SQS accepts them or the tries run out.
// Errors of the sender are not retried.
func TestTriesAgain(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		entry    bool // only the first entry of the batch fails
		sender   bool
		times    int
		calls    int
		failures bool
	}{
		"once":                  {err: &smithy.GenericAPIError{Code: "RequestThrottled"}, times: 1, calls: 2},
		"a broken connection":   {err: errors.New("unexpected EOF"), times: 5, calls: 6},
		"an entry":              {entry: true, times: 4, calls: 5},
		"the last time":         {err: errors.New("connection refused"), times: sendAttempts - 1, calls: sendAttempts},
		"for too long":          {err: errors.New("connection refused"), times: sendAttempts, calls: sendAttempts, failures: true},
		"an entry for too long": {entry: true, times: sendAttempts, calls: sendAttempts, failures: true},
		"no right":              {err: &smithy.GenericAPIError{Code: "AccessDenied"}, times: 1, calls: 1, failures: true},
		"an entry of no use":    {entry: true, sender: true, times: 1, calls: 1, failures: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{}
				q.answer = func(call int, in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
					if call > test.times {
						return nil, nil
					}
					if !test.entry {
						return nil, test.err
					}
					out := accept(in.Entries[1:])
					out.Failed = []types.BatchResultErrorEntry{{Id: in.Entries[0].Id, Code: aws.String("X"), SenderFault: test.sender}}
					return out, nil
				}
				w, log := newWorker(config.Config{Total: 10}, nil, q, "")
				err := w.Run(t.Context())
				if (err != nil) != test.failures || q.calls != test.calls {
					t.Errorf("%d calls, error %v", q.calls, err)
				}
				// After a partial failure the other entries are in the queue.
				want := 10
				if test.failures && test.entry {
					want = 9
				} else if test.failures {
					want = 0
				}
				if got := strings.Count(log.String(), "event produced"); got != want {
					t.Errorf("%d messages are named as produced, want %d", got, want)
				}
			})
		})
	}
}

// An answer that does not match the request is an error.
func TestStrangeAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		out  sqs.SendMessageBatchOutput
		want string
	}{
		"nothing":       {sqs.SendMessageBatchOutput{}, "SQS answered for 0 of 1 messages"},
		"another entry": {*accept([]types.SendMessageBatchRequestEntry{{Id: aws.String("7")}}), `an entry "7" that was not sent`},
		"no number":     {*accept([]types.SendMessageBatchRequestEntry{{Id: aws.String("x")}}), `an entry "x" that was not sent`},
		"a failure of another entry": {
			sqs.SendMessageBatchOutput{Failed: []types.BatchResultErrorEntry{{Id: aws.String("-1")}}}, `an entry "-1" that was not sent`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := &fakeQueue{answer: func(int, *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) { return &test.out, nil }}
			w, _ := newWorker(config.Config{Total: 1}, nil, q, "")
			if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}
