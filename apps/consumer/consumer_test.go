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
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}),
		source: listener.URL + "/000000000000/q", dead: listener.URL + "/000000000000/dlq",
	}
}

func (w *world) consumer(t *testing.T, c config.Config) *consumer {
	t.Helper()
	c.Queue, c.DeadLetterQueue, c.Bucket, c.Prefix = "q", "dlq", "events", "p"
	c.Backoff, c.BackoffMax = time.Second, time.Second
	if c.BatchSize == 0 {
		c.BatchSize = 10
	}
	made, err := newConsumer(t.Context(), c, w.sqs, w.s3, w.source, w.dead, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return made
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

const keyOf = "p/event_type=sale_event/dt=2026_11_23/%s.json"

// Whatever single call or entry fails, each good message is stored once, each
// bad one is quarantined once, and the queue ends empty.
func TestFaultsLoseNothing(t *testing.T) {
	for name, fault := range map[string]localaws.Fault{
		"none":                    {},
		"S3 fails twice":          {Action: "S3:PUT", Times: 2, Code: "InternalError", Status: 500},
		"S3 asks to slow down":    {Action: "S3:PUT", Times: 1, Code: "SlowDown", Status: 503},
		"a conflicting write":     {Action: "S3:PUT", Times: 1, Code: "ConditionalRequestConflict", Status: 409},
		"receive is throttled":    {Action: "ReceiveMessage", Times: 1, Code: "RequestThrottled", Status: 403},
		"delete fails as a whole": {Action: "DeleteMessageBatch", Times: 1, Code: "ServiceUnavailable", Status: 503},
		"delete fails in part":    {Action: "DeleteMessageBatch", Times: 2, Code: "InternalError", Entry: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 30)
			w.faults.Add(fault)
			for i := range 4 {
				w.send(t, body(fmt.Sprint("id", i)), event.Sale)
			}
			w.send(t, body("id0"), event.Sale) // a duplicate
			w.send(t, `{"bad_msg":true}`, event.Sale)
			w.send(t, `not JSON`, event.Sale)
			if err := w.consumer(t, config.Config{Total: 7}).consume(t.Context()); err != nil {
				t.Fatal(err)
			}
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
		})
	}
}

// A message whose store keeps failing is never deleted: it goes back at once.
func TestNeverDeletesWhatIsNotStored(t *testing.T) {
	w := newWorld(t, 30)
	w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: storeAttempts, Code: "InternalError", Status: 500})
	w.send(t, body("id"), event.Sale)
	c := w.consumer(t, config.Config{})
	messages, err := c.receive(t.Context())
	if err != nil || len(messages) != 1 {
		t.Fatalf("received %d, %v", len(messages), err)
	}
	c.process(t.Context(), t.Context(), messages)
	if len(w.keys(t)) != 0 {
		t.Error("stored in spite of the fault")
	}
	if visible, inFlight := w.depth(t, w.source); visible != 1 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want the message back in the queue", visible, inFlight)
	}
}

// The reason and the original are what somebody needs to mend a bad message.
func TestQuarantineKeepsMessageAndReason(t *testing.T) {
	for name, test := range map[string]struct{ body, eventType, reason string }{
		"no store_id":        {`{"request_id":"a","ts":"2026-11-23T09:00:00Z"}`, event.Sale, "no store_id"},
		"no event_type":      {body("a"), "", "no attribute event_type"},
		"unknown event_type": {body("a"), "refund_event", `unknown event_type "refund_event": must be sale_event or inventory_event`},
		"a path as an id":    {body("../../x"), event.Sale, `request_id "../../x" cannot be part of a key`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 30)
			w.send(t, test.body, test.eventType)
			if err := w.consumer(t, config.Config{Total: 1}).consume(t.Context()); err != nil {
				t.Fatal(err)
			}
			out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead, MessageAttributeNames: []string{"All"}})
			if err != nil || len(out.Messages) != 1 {
				t.Fatalf("dead-letter queue: %v, %v", out, err)
			}
			m := out.Messages[0]
			if *m.Body != test.body || aws.ToString(m.MessageAttributes[event.ReasonAttribute].StringValue) != test.reason {
				t.Errorf("body %s, reason %s", *m.Body, aws.ToString(m.MessageAttributes[event.ReasonAttribute].StringValue))
			}
		})
	}
}

// Asked to end while a batch waits, the consumer starts nothing more and hands
// all of it back.
func TestEndInMidBatchHandsBack(t *testing.T) {
	w := newWorld(t, 30)
	for i := range 3 {
		w.send(t, body(fmt.Sprint("id", i)), event.Sale)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.consumer(t, config.Config{ProcessDelay: time.Minute}).consume(ctx) }()
	for inFlight := 0; inFlight != 3; _, inFlight = w.depth(t, w.source) {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if visible, inFlight := w.depth(t, w.source); visible != 3 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want all three back", visible, inFlight)
	}
}

// Work that outlasts the visibility timeout stays this consumer's.
func TestHeartbeatKeepsBatchHidden(t *testing.T) {
	w := newWorld(t, 2)
	w.send(t, body("id"), event.Sale)
	c := w.consumer(t, config.Config{ProcessDelay: 4 * time.Second})
	messages, err := c.receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.process(t.Context(), t.Context(), messages) }()
	for {
		select {
		case <-done:
			if visible, inFlight := w.depth(t, w.source); visible+inFlight != 0 {
				t.Errorf("%d visible, %d in flight after the work", visible, inFlight)
			}
			return
		case <-time.After(50 * time.Millisecond):
			if visible, _ := w.depth(t, w.source); visible > 0 {
				t.Fatal("the message became visible while it was worked on")
			}
		}
	}
}
