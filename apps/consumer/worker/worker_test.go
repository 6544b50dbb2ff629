package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/backend"
	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/internal/memhttp"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// overlapping is a CONCURRENCY above 1. The guarantees hold with it as well.
const overlapping = 8

// withEach runs a test twice: with sequential batches and with overlapping batches.
func withEach(t *testing.T, test func(t *testing.T, concurrency int)) {
	t.Helper()
	for _, concurrency := range []int{1, overlapping} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", concurrency), func(t *testing.T) { test(t, concurrency) })
	}
}

// inBubble runs a subtest with fake time.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// world is the local AWS in this process, its faults, and clients with the real SDK. A
// test creates it in a bubble of testing/synctest.
type world struct {
	sqs          *sqs.Client
	s3           *s3.Client
	faults       *localaws.Faults
	calls        *calls
	source, dead string
	counters     *metrics.Set
}

// calls counts the requests and has the time at which each object was written.
type calls struct {
	receives, deletes level
	writes            level
	written           sync.Map // the time by the key's id
}

// level counts calls: the total, those in progress, and the maximum in progress.
type level struct{ all, now, most atomic.Int64 }

func (l *level) enter() (leave func()) {
	l.all.Add(1)
	n := l.now.Add(1)
	for most := l.most.Load(); n > most && !l.most.CompareAndSwap(most, n); most = l.most.Load() {
	}
	return func() { l.now.Add(-1) }
}

func (c *calls) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Amz-Target") == "AmazonSQS.ReceiveMessage":
			defer c.receives.enter()()
		case r.Header.Get("X-Amz-Target") == "AmazonSQS.DeleteMessageBatch":
			defer c.deletes.enter()()
		case r.Method == http.MethodPut:
			defer c.writes.enter()()
			id := strings.TrimSuffix(path.Base(r.URL.Path), ".json")
			defer func() { c.written.Store(id, time.Now()) }()
		}
		next.ServeHTTP(w, r)
	})
}

func newWorld(t *testing.T, visibility int) *world {
	t.Helper()
	faults := &localaws.Faults{}
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"},
		Queues: []localaws.Queue{
			{Name: "q", VisibilityTimeout: &visibility, Redrive: &localaws.Redrive{DeadLetterQueue: "dlq", MaxReceiveCount: 10}},
			{Name: "dlq"},
		},
	}, localaws.WithFaults(faults))
	if err != nil {
		t.Fatal(err)
	}
	counted := &calls{}
	endpoint := "http://localaws"
	c := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		// The test is of the consumer's own retries, not of the SDK's.
		RetryMaxAttempts: 1, HTTPClient: memhttp.Client(counted.count(server)),
	}
	return &world{
		sqs: sqs.NewFromConfig(c), faults: faults, calls: counted,
		s3: s3.NewFromConfig(c, func(o *s3.Options) {
			o.UsePathStyle = true
		}),
		source: endpoint + "/000000000000/q", dead: endpoint + "/000000000000/dlq",
	}
}

func (w *world) worker(t *testing.T, c config.Config) *worker.Worker {
	t.Helper()
	c.Queue, c.DeadLetterQueue, c.Bucket, c.Prefix = "q", "dlq", "events", "p"
	c.Backoff, c.BackoffMax = time.Second, time.Second
	w.counters = metrics.NewSet()
	if c.BatchSize == 0 {
		c.BatchSize = 10
	}
	queue := backend.Queue{Client: w.sqs, Source: w.source, Dead: w.dead}
	visibility, err := queue.Visibility(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := worker.New(c, queue, backend.Bucket{Client: w.s3, Name: c.Bucket}, visibility, slog.New(slog.DiscardHandler), w.counters)
	made.SetTimes(2*time.Second, config.Finish, config.Drain)
	return made
}

// toTotal runs a worker until it has its total, and fails if that never happens.
func toTotal(t *testing.T, worker *worker.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	worker.Run(ctx)
	if ctx.Err() != nil {
		t.Error("no end")
	}
}

// start runs a worker. The returned function asks it to end and waits for that.
func start(t *testing.T, worker *worker.Worker) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); worker.Run(ctx) }()
	end = func() {
		cancel()
		<-ended
	}
	t.Cleanup(end)
	return end
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happens that ", what)
		}
	}
}

func body(id string) string {
	store := 3
	data, _ := json.Marshal(event.Event{RequestID: id, StoreID: &store, TS: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)})
	return string(data)
}

func (w *world) send(t *testing.T, body, eventType string) {
	t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: &w.source, MessageBody: &body}
	if eventType != "" {
		in.MessageAttributes = map[string]types.MessageAttributeValue{event.TypeAttribute: {DataType: aws.String("String"), StringValue: &eventType}}
	}
	if _, err := w.sqs.SendMessage(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// sendAll sends good messages with the ids id0, id1 and so on.
func (w *world) sendAll(t *testing.T, n int) {
	t.Helper()
	for first := 0; first < n; first += worker.MaxBatch {
		var entries []types.SendMessageBatchRequestEntry
		for i := first; i < min(first+worker.MaxBatch, n); i++ {
			entries = append(entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(body(fmt.Sprint("id", i))),
				MessageAttributes: map[string]types.MessageAttributeValue{event.TypeAttribute: {DataType: aws.String("String"), StringValue: aws.String(event.Sale)}},
			})
		}
		if _, err := w.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &w.source, Entries: entries}); err != nil {
			t.Fatal(err)
		}
	}
}

// holds compares the depth of the source queue.
func (w *world) holds(t *testing.T, wantVisible, wantInFlight int) {
	t.Helper()
	if visible, inFlight := w.depth(t, w.source); visible != wantVisible || inFlight != wantInFlight {
		t.Errorf("%d visible, %d in flight; want %d and %d", visible, inFlight, wantVisible, wantInFlight)
	}
}

func (w *world) depth(t *testing.T, url string) (visible, inFlight int) {
	t.Helper()
	out, err := w.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	visible, _ = strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	inFlight, _ = strconv.Atoi(out.Attributes["ApproximateNumberOfMessagesNotVisible"])
	return visible, inFlight
}

func (w *world) keys(t *testing.T) map[string]bool {
	t.Helper()
	out, err := w.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("events")})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range out.Contents {
		keys[*o.Key] = true
	}
	return keys
}

// metric returns a counter or gauge of the newest consumer.
func (w *world) metric(t *testing.T, name string) float64 {
	t.Helper()
	var text strings.Builder
	w.counters.WritePrometheus(&text)
	for line := range strings.Lines(text.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

const keyOf = "p/event_type=sale_event/dt=2026_11_23/%s.json"

// Whatever single call or entry fails, each good message is stored once, each bad one is
// quarantined once, and the queue is empty in the end.
func TestFaultsLoseNothing(t *testing.T) {
	for name, test := range map[string]struct {
		fault   localaws.Fault
		retried float64
	}{
		"none":                    {localaws.Fault{}, 0},
		"S3 fails twice":          {localaws.Fault{Action: "S3:PUT", Times: 2, Code: "InternalError", Status: 500}, 2},
		"S3 asks to slow down":    {localaws.Fault{Action: "S3:PUT", Times: 1, Code: "SlowDown", Status: 503}, 1},
		"a conflicting write":     {localaws.Fault{Action: "S3:PUT", Times: 1, Code: "ConditionalRequestConflict", Status: 409}, 1},
		"receive is throttled":    {localaws.Fault{Action: "ReceiveMessage", Times: 1, Code: "RequestThrottled", Status: 403}, 0},
		"delete fails as a whole": {localaws.Fault{Action: "DeleteMessageBatch", Times: 1, Code: "ServiceUnavailable", Status: 503}, 1},
		"delete fails in part":    {localaws.Fault{Action: "DeleteMessageBatch", Times: 2, Code: "InternalError", Entry: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			withEach(t, func(t *testing.T, concurrency int) {
				w := newWorld(t, 30)
				w.faults.Add(test.fault)
				w.sendAll(t, 4)
				w.send(t, body("id0"), event.Sale) // a duplicate
				w.send(t, `{"bad_msg":true}`, event.Sale)
				w.send(t, `not JSON`, event.Sale)
				toTotal(t, w.worker(t, config.Config{Total: 7, Concurrency: concurrency}))
				keys := w.keys(t)
				for i := range 4 {
					if key := fmt.Sprintf(keyOf, fmt.Sprint("id", i)); !keys[key] {
						t.Errorf("%s is not stored", key)
					}
				}
				if len(keys) != 4 {
					t.Errorf("stored %v, want four objects", keys)
				}
				w.holds(t, 0, 0)
				if visible, _ := w.depth(t, w.dead); visible != 2 {
					t.Errorf("the dead-letter queue holds %d, want 2", visible)
				}
				for name, want := range map[string]float64{
					"consumer_messages_received_total": 7, "consumer_messages_deleted_total": 7, "consumer_messages_quarantined_total": 2,
					"consumer_messages_in_flight": 0,
					// A duplicate has no latency: its object exists already.
					"consumer_event_latency_seconds_count": 4,
				} {
					if n := w.metric(t, name); n != want {
						t.Errorf("%s is %v, want %v", name, n, want)
					}
				}
				// Two writes of one key at the same time conflict, and one is retried.
				if n := w.metric(t, "consumer_retries_total"); n != test.retried && (concurrency == 1 || n != test.retried+1) {
					t.Errorf("consumer_retries_total is %v, want %v", n, test.retried)
				}
			})
		})
	}
}

// A message that cannot be stored is never deleted. It is hidden for a while and comes
// back, so that an outage does not use up its receives.
func TestNeverDeletesWhatIsNotStored(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 2)
		w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: worker.Attempts, Code: "InternalError", Status: 500})
		w.send(t, body("id"), event.Sale)
		start(t, w.worker(t, config.Config{Concurrency: concurrency}))
		eventually(t, "the message is put off", func() bool {
			return w.faults.Left("S3:PUT") == 0 && w.metric(t, "consumer_messages_in_flight") == 0
		})
		if len(w.keys(t)) != 0 || w.calls.deletes.all.Load() != 0 {
			t.Error("stored or deleted in spite of the fault")
		}
		w.holds(t, 0, 1)
		eventually(t, "it comes back and is stored", func() bool { return w.keys(t)[fmt.Sprintf(keyOf, "id")] })
		eventually(t, "it is deleted", func() bool { visible, inFlight := w.depth(t, w.source); return visible+inFlight == 0 })
	})
}

// A message that was stored but not deleted comes back. The worker finds its object and
// deletes the message.
func TestRedeliveryIsFolded(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 3) // longer than the retries take
		w.faults.Add(localaws.Fault{Action: "DeleteMessageBatch", Times: worker.Attempts, Code: "InternalError", Entry: true})
		w.send(t, body("id"), event.Sale)
		toTotal(t, w.worker(t, config.Config{Total: 2, Concurrency: concurrency}))
		if keys := w.keys(t); len(keys) != 1 {
			t.Errorf("stored %v, want one object", keys)
		}
		for result, want := range map[string]float64{worker.ResultNew: 1, worker.ResultDuplicate: 1} {
			if n := w.metric(t, fmt.Sprintf("consumer_events_stored_total{result=%q}", result)); n != want {
				t.Errorf("%s: counted %v, want %v", result, n, want)
			}
		}
		if n := w.metric(t, "consumer_messages_deleted_total"); n != 1 {
			t.Errorf("deleted %v, want 1", n)
		}
		w.holds(t, 0, 0)
	})
}

// After each failure a message is hidden for longer: 2 s, 4 s, 8 s.
func TestFailuresArePutOffLonger(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		const (
			failures = 3
			tries    = 1500 * time.Millisecond // including the pauses between them
			hidden   = (2 + 4 + 8) * time.Second
		)
		w := newWorld(t, 2)
		w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: failures * worker.Attempts, Code: "InternalError", Status: 500})
		w.send(t, body("id"), event.Sale)
		begun := time.Now()
		start(t, w.worker(t, config.Config{Concurrency: concurrency}))
		eventually(t, "it is stored", func() bool { return len(w.keys(t)) == 1 })
		if took := time.Since(begun); took < failures*tries+hidden {
			t.Errorf("stored after %s, want %s of tries and %s of waiting", took, failures*tries, hidden)
		}
	})
}
