package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// world is the in-process AWS server, its faults, and clients through the real
// SDK.
type world struct {
	sqs          *sqs.Client
	s3           *s3.Client
	faults       *localaws.Faults
	source, dead string
	registry     *prometheus.Registry
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
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	c := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		// The consumer's own retries are under test, not the SDK's.
		RetryMaxAttempts: 1,
	}
	return &world{
		sqs: sqs.NewFromConfig(c), faults: faults,
		s3: s3.NewFromConfig(c, func(o *s3.Options) {
			o.UsePathStyle = true
		}),
		source: listener.URL + "/000000000000/q", dead: listener.URL + "/000000000000/dlq",
	}
}

func (w *world) consumer(t *testing.T, c config.Config) *consumer {
	t.Helper()
	c.Queue, c.DeadLetterQueue, c.Bucket, c.Prefix = "q", "dlq", "events", "p"
	c.Backoff, c.BackoffMax = time.Second, time.Second
	w.registry = prometheus.NewRegistry()
	if c.BatchSize == 0 {
		c.BatchSize = 10
	}
	visibility, err := visibilityOf(t.Context(), w.sqs, w.source)
	if err != nil {
		t.Fatal(err)
	}
	made := newConsumer(c, backend{w.sqs, w.s3, w.source, w.dead, visibility}, slog.New(slog.DiscardHandler), w.registry)
	made.longPoll = 2
	return made
}

// toTotal consumes to the total, which must not take for ever.
func toTotal(t *testing.T, c *consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c.consume(ctx)
	if ctx.Err() != nil {
		t.Errorf("%d messages processed, and no end", c.processed)
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

// metric is a counter or gauge of the newest consumer, of one result if it has
// any, or how many values a histogram has.
func (w *world) metric(t *testing.T, name, result string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (result == "" || m.GetLabel()[0].GetValue() == result) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("no metric %s %s", name, result)
	return 0
}

const keyOf = "p/event_type=sale_event/dt=2026_11_23/%s.json"

// Whatever single call or entry fails, each good message is stored once, each
// bad one is quarantined once, and the queue ends empty.
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
			t.Parallel()
			w := newWorld(t, 30)
			w.faults.Add(test.fault)
			for i := range 4 {
				w.send(t, body(fmt.Sprint("id", i)), event.Sale)
			}
			w.send(t, body("id0"), event.Sale) // a duplicate
			w.send(t, `{"bad_msg":true}`, event.Sale)
			w.send(t, `not JSON`, event.Sale)
			toTotal(t, w.consumer(t, config.Config{Total: 7}))
			keys := w.keys(t)
			for i := range 4 {
				if key := fmt.Sprintf(keyOf, fmt.Sprint("id", i)); !keys[key] {
					t.Errorf("%s is not stored", key)
				}
			}
			if len(keys) != 4 {
				t.Errorf("stored %v, want four objects", keys)
			}
			if visible, inFlight := w.depth(t, w.source); visible+inFlight != 0 {
				t.Errorf("the queue still holds %d visible and %d in flight", visible, inFlight)
			}
			if visible, _ := w.depth(t, w.dead); visible != 2 {
				t.Errorf("the dead-letter queue holds %d, want 2", visible)
			}
			for name, want := range map[string]float64{
				"consumer_messages_received_total": 7, "consumer_messages_deleted_total": 7, "consumer_messages_quarantined_total": 2,
				"consumer_retries_total": test.retried, "consumer_messages_in_flight": 0,
				// A duplicate has been there before.
				"consumer_event_latency_seconds": 4,
			} {
				if n := w.metric(t, name, ""); n != want {
					t.Errorf("%s is %v, want %v", name, n, want)
				}
			}
		})
	}
}

// A message whose store keeps failing is never deleted: it stays hidden for a
// while, so that an outage does not use up its receives, and comes back.
func TestNeverDeletesWhatIsNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: attempts, Code: "InternalError", Status: 500})
	w.send(t, body("id"), event.Sale)
	c := w.consumer(t, config.Config{Total: 1})
	messages, err := c.receive(t.Context())
	if err != nil || len(messages) != 1 {
		t.Fatalf("received %d, %v", len(messages), err)
	}
	c.process(t.Context(), t.Context(), messages)
	if len(w.keys(t)) != 0 {
		t.Error("stored in spite of the fault")
	}
	if visible, inFlight := w.depth(t, w.source); visible != 0 || inFlight != 1 {
		t.Errorf("%d visible, %d in flight; want the message put off", visible, inFlight)
	}
	toTotal(t, c)
	if !w.keys(t)[fmt.Sprintf(keyOf, "id")] {
		t.Error("not stored when it came back")
	}
	if visible, inFlight := w.depth(t, w.source); visible+inFlight != 0 {
		t.Errorf("%d visible, %d in flight after the store", visible, inFlight)
	}
}

// A message that was stored but not deleted comes back, is found stored and
// is deleted then.
func TestRedeliveryIsFolded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.faults.Add(localaws.Fault{Action: "DeleteMessageBatch", Times: attempts, Code: "InternalError", Entry: true})
	w.send(t, body("id"), event.Sale)
	c := w.consumer(t, config.Config{Total: 2})
	toTotal(t, c)
	if keys := w.keys(t); len(keys) != 1 {
		t.Errorf("stored %v, want one object", keys)
	}
	for result, want := range map[string]float64{resultNew: 1, resultDuplicate: 1} {
		if n := w.metric(t, "consumer_events_stored_total", result); n != want {
			t.Errorf("%s: counted %v, want %v", result, n, want)
		}
	}
	if n := w.metric(t, "consumer_messages_deleted_total", ""); n != 1 {
		t.Errorf("deleted %v, want 1", n)
	}
	if visible, inFlight := w.depth(t, w.source); visible+inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want none", visible, inFlight)
	}
}
