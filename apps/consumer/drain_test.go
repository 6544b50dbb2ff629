package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// Asked to end while a batch waits, the consumer starts nothing more and hands
// all of it back.
func TestEndInMidBatchHandsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	for i := range 3 {
		w.send(t, body(fmt.Sprint("id", i)), event.Sale)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	c := w.consumer(t, config.Config{ProcessDelay: time.Minute})
	go func() { defer close(ended); c.consume(ctx) }()
	for w.metric(t, "consumer_messages_in_flight", "") != 3 {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-ended
	if n := w.metric(t, "consumer_messages_in_flight", ""); n != 0 {
		t.Errorf("%v messages in flight after the end, want none", n)
	}
	if visible, inFlight := w.depth(t, w.source); visible != 3 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want all three back", visible, inFlight)
	}
}

// endDuring asks a consumer to end while the action is on its way, which a
// fault holds up, and waits for its end.
func (w *world) endDuring(t *testing.T, action string, c *consumer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.consume(ctx) }()
	for w.faults.Left(action) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(hang / 2):
		t.Fatalf("no end while %s hangs", action)
	}
}

// hang is longer than any test waits.
const hang = 20 * time.Second

// Whatever call hangs, the consumer ends in its time, and what was not started
// goes back if that is possible at all.
func TestEndIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		faults []localaws.Fault
		during string
		back   int
	}{
		"the poll hangs":      {[]localaws.Fault{{Action: "ReceiveMessage", Times: 1, Latency: hang}}, "ReceiveMessage", 3},
		"a store hangs":       {[]localaws.Fault{{Action: "S3:PUT", Times: 1, Latency: hang}}, "S3:PUT", 2},
		"the delete hangs":    {[]localaws.Fault{{Action: "DeleteMessageBatch", Times: 1, Latency: hang}}, "DeleteMessageBatch", 0},
		"the hand-back hangs": {[]localaws.Fault{{Action: "S3:PUT", Times: 1, Latency: 100 * time.Millisecond}, {Action: "ChangeMessageVisibilityBatch", Times: 1, Latency: hang}}, "S3:PUT", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 30)
			for i := range 3 {
				w.send(t, body(fmt.Sprint("id", i)), event.Sale)
			}
			for _, fault := range test.faults {
				w.faults.Add(fault)
			}
			c := w.consumer(t, config.Config{})
			c.finish, c.drain = 500*time.Millisecond, 2*time.Second
			w.endDuring(t, test.during, c)
			if visible, _ := w.depth(t, w.source); visible < test.back {
				t.Errorf("%d visible, want at least %d", visible, test.back)
			}
		})
	}
}

// A heartbeat that is on its way does not hold up the end.
func TestEndInMidHeartbeatHandsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.faults.Add(localaws.Fault{Action: "ChangeMessageVisibilityBatch", Times: 1, Latency: hang})
	w.send(t, body("id"), event.Sale)
	w.endDuring(t, "ChangeMessageVisibilityBatch", w.consumer(t, config.Config{ProcessDelay: time.Minute}))
	if visible, inFlight := w.depth(t, w.source); visible != 1 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want the message back", visible, inFlight)
	}
}

// While it drains, the pod still answers, that it is not ready.
func TestNotReadyWhileItDrains(t *testing.T) {
	w := newWorld(t, 30)
	w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: time.Second})
	w.send(t, body("id"), event.Sale)
	t.Setenv("AWS_ENDPOINT_URL", strings.TrimSuffix(w.source, "/000000000000/q"))
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	c := config.Config{Region: "eu-west-1", Queue: "q", DeadLetterQueue: "dlq", Bucket: "events", BatchSize: 1, Address: freeAddress(t)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, c, slog.New(slog.DiscardHandler)) }()
	for w.faults.Left("S3:PUT") > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	ready := func() int {
		response, err := http.Get("http://" + c.Address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if status := ready(); status != http.StatusOK {
		t.Errorf("at work: %d", status)
	}
	cancel()
	for ready() != http.StatusServiceUnavailable {
		time.Sleep(10 * time.Millisecond)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Asked to end, the consumer does not spend its time on one call.
func TestEndTriesDeleteOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: 300 * time.Millisecond})
	w.faults.Add(localaws.Fault{Action: "DeleteMessageBatch", Times: attempts, Code: "InternalError", Status: 500})
	w.send(t, body("id"), event.Sale)
	w.endDuring(t, "S3:PUT", w.consumer(t, config.Config{}))
	if tried := attempts - w.faults.Left("DeleteMessageBatch"); tried != 1 {
		t.Errorf("tried %d times to delete, want once", tried)
	}
}

// What a receive asks for is what the heartbeat goes by, whatever became of the
// queue's own timeout.
func TestTimeoutIsThatOfTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	c := w.consumer(t, config.Config{})
	w.send(t, body("id"), event.Sale)
	if _, err := w.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &w.source, Attributes: map[string]string{"VisibilityTimeout": "0"}}); err != nil {
		t.Fatal(err)
	}
	if messages, err := c.receive(t.Context()); err != nil || len(messages) != 1 {
		t.Fatalf("received %d, %v", len(messages), err)
	}
	if visible, inFlight := w.depth(t, w.source); visible != 0 || inFlight != 1 {
		t.Errorf("%d visible, %d in flight; want the message hidden", visible, inFlight)
	}
}

// Work that outlasts the visibility timeout stays this consumer's.
func TestHeartbeatKeepsBatchHidden(t *testing.T) {
	t.Parallel()
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

// Asked to end while an object is being written, the consumer finishes that
// message and hands the others back.
func TestEndInMidWriteFinishesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: time.Second})
	for i := range 3 {
		w.send(t, body(fmt.Sprint("id", i)), event.Sale)
	}
	c := w.consumer(t, config.Config{})
	messages, err := c.receive(t.Context())
	if err != nil || len(messages) != 3 {
		t.Fatalf("received %d, %v", len(messages), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	c.process(ctx, t.Context(), messages)
	if keys := w.keys(t); len(keys) != 1 {
		t.Errorf("stored %v, want the one that was being written", keys)
	}
	if visible, inFlight := w.depth(t, w.source); visible != 2 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want the other two back", visible, inFlight)
	}
}

// Asked to end while it polls, the consumer lets the poll end: what the poll
// still brings is not stranded.
func TestEndWhilePollingStrandsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	c := w.consumer(t, config.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.consume(ctx) }()
	time.Sleep(300 * time.Millisecond)
	cancel()
	time.Sleep(100 * time.Millisecond)
	select {
	case <-ended:
		t.Fatal("the poll was cut")
	default:
	}
	w.send(t, body("id"), event.Sale)
	<-ended
	if n := w.metric(t, "consumer_messages_received_total", ""); n != 1 {
		t.Errorf("the poll brought %v messages, want 1", n)
	}
	// It is back after one more long poll, 2 s here, and not after the queue's
	// visibility timeout of 30 s.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		visible, inFlight := w.depth(t, w.source)
		if visible == 1 && inFlight == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d visible, %d in flight; want the message back", visible, inFlight)
		}
	}
}

// When a fleet is asked to end while each waits in its last poll, a message
// that arrives then must not be passed from one to the next until the queue
// gives it up: it stays in the queue.
func TestEndingFleetDoesNotDeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	ctx, cancel := context.WithCancel(t.Context())
	var fleet sync.WaitGroup
	for range 15 {
		c := w.consumer(t, config.Config{ProcessDelay: 10 * time.Second})
		fleet.Go(func() { c.consume(ctx) })
	}
	time.Sleep(300 * time.Millisecond) // all of them poll
	cancel()
	w.send(t, body("id"), event.Sale)
	fleet.Wait()
	if visible, inFlight := w.depth(t, w.source); visible+inFlight != 1 {
		t.Errorf("%d visible, %d in flight; want the message back in the queue", visible, inFlight)
	}
	if dead, inFlight := w.depth(t, w.dead); dead+inFlight != 0 {
		t.Errorf("%d good messages are in the dead-letter queue", dead+inFlight)
	}
}
