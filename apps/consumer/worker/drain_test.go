package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// A worker that must end while a batch waits starts no more of it and gives all messages
// back.
func TestEndInMidBatchHandsBack(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		w.sendAll(t, 3)
		// As many polls as messages, with overlapping batches.
		end := start(t, w.worker(t, config.Config{ProcessDelay: time.Minute, Concurrency: concurrency}))
		eventually(t, "all three are in hand", func() bool { return w.metric(t, "consumer_messages_in_flight") == 3 })
		end()
		if n := w.metric(t, "consumer_messages_in_flight"); n != 0 {
			t.Errorf("%v messages in flight after the end, want none", n)
		}
		w.holds(t, 3, 0)
		if len(w.keys(t)) != 0 {
			t.Error("stored in spite of the end")
		}
	})
}

// endDuring ends a worker while an action is in progress, which a fault delays. It waits
// for the worker's end.
func (w *world) endDuring(t *testing.T, action string, worker *worker.Worker) {
	t.Helper()
	end := start(t, worker)
	eventually(t, action+" is on its way", func() bool { return w.faults.Left(action) == 0 })
	ended := make(chan struct{})
	go func() { defer close(ended); end() }()
	select {
	case <-ended:
	case <-time.After(hang / 2):
		t.Fatalf("no end while %s hangs", action)
	}
}

// hang is longer than any test waits.
const hang = 20 * time.Second

// Whatever call hangs, the worker ends in time. Messages that were not started go back to
// the queue if that is possible.
func TestEndIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		faults []localaws.Fault
		during string
		// back is how many of three messages go back, with CONCURRENCY 1 and 2.
		back [2]int
	}{
		"the poll hangs":      {[]localaws.Fault{{Action: "ReceiveMessage", Times: 1, Latency: hang}}, "ReceiveMessage", [2]int{3, 3}},
		"a store hangs":       {[]localaws.Fault{{Action: "S3:PUT", Times: 1, Latency: hang}}, "S3:PUT", [2]int{2, 0}},
		"each store hangs":    {[]localaws.Fault{{Action: "S3:PUT", Times: 3, Latency: hang}}, "", [2]int{2, 1}},
		"the delete hangs":    {[]localaws.Fault{{Action: "DeleteMessageBatch", Times: 1, Latency: hang}}, "DeleteMessageBatch", [2]int{0, 0}},
		"the hand-back hangs": {[]localaws.Fault{{Action: "S3:PUT", Times: 1, Latency: 100 * time.Millisecond}, {Action: "ChangeMessageVisibilityBatch", Times: 1, Latency: hang}}, "S3:PUT", [2]int{0, 0}},
	} {
		for i, concurrency := range []int{1, 2} {
			inBubble(t, fmt.Sprint(name, ", CONCURRENCY=", concurrency), func(t *testing.T) {
				w := newWorld(t, 30)
				w.sendAll(t, 3)
				for _, fault := range test.faults {
					w.faults.Add(fault)
				}
				c := w.worker(t, config.Config{Concurrency: concurrency})
				c.SetTimes(2*time.Second, 500*time.Millisecond, 2*time.Second)
				if test.during == "" {
					end := start(t, c)
					eventually(t, "the slots are full", func() bool { return w.faults.Left("S3:PUT") == 3-concurrency })
					end()
				} else {
					w.endDuring(t, test.during, c)
				}
				if visible, _ := w.depth(t, w.source); visible < test.back[i] {
					t.Errorf("%d visible, want at least %d", visible, test.back[i])
				}
			})
		}
	}
}

// A heartbeat in progress does not delay the end.
func TestEndInMidHeartbeatHandsBack(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 3)
		w.faults.Add(localaws.Fault{Action: "ChangeMessageVisibilityBatch", Times: 1, Latency: hang})
		w.send(t, body("id"), event.Sale)
		w.endDuring(t, "ChangeMessageVisibilityBatch", w.worker(t, config.Config{ProcessDelay: time.Minute, Concurrency: concurrency}))
		w.holds(t, 1, 0)
	})
}

// A worker that must end tries a delete only once.
func TestEndTriesDeleteOnce(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: 300 * time.Millisecond})
		w.faults.Add(localaws.Fault{Action: "DeleteMessageBatch", Times: worker.Attempts, Code: "InternalError", Status: 500})
		w.send(t, body("id"), event.Sale)
		w.endDuring(t, "S3:PUT", w.worker(t, config.Config{Concurrency: concurrency}))
		if tried := worker.Attempts - w.faults.Left("DeleteMessageBatch"); tried != 1 {
			t.Errorf("tried %d times to delete, want once", tried)
		}
	})
}

// The heartbeat follows the visibility timeout that the receive requested, even if the
// queue's own timeout has changed.
func TestTimeoutIsThatOfTheStart(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		c := w.worker(t, config.Config{ProcessDelay: time.Minute, Concurrency: concurrency})
		w.send(t, body("id"), event.Sale)
		if _, err := w.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &w.source, Attributes: map[string]string{"VisibilityTimeout": "0"}}); err != nil {
			t.Fatal(err)
		}
		start(t, c)
		eventually(t, "the message is in hand", func() bool { return w.metric(t, "consumer_messages_in_flight") > 0 })
		w.holds(t, 0, 1)
	})
}

// Messages stay hidden while the worker has them, even longer than the visibility
// timeout: during the delay of their batch, and while other messages of the batch use the
// slots.
func TestHeartbeatKeepsBatchHidden(t *testing.T) {
	slow := localaws.Fault{Action: "S3:PUT", Times: 4, Latency: 2500 * time.Millisecond}
	for name, test := range map[string]struct {
		config   config.Config
		fault    localaws.Fault
		messages int
	}{
		"a delay, one batch after the other": {config.Config{Concurrency: 1, ProcessDelay: 4 * time.Second}, localaws.Fault{}, 2},
		"a delay, overlapping":               {config.Config{Concurrency: 2, ProcessDelay: 4 * time.Second}, localaws.Fault{}, 2},
		"slow stores, in turn":               {config.Config{Concurrency: 1}, slow, 2},
		"slow stores, side by side":          {config.Config{Concurrency: 2}, slow, 4},
		"slow stores, batches side by side":  {config.Config{Concurrency: 2, BatchSize: 1}, slow, 2},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.faults.Add(test.fault)
			w.sendAll(t, test.messages)
			start(t, w.worker(t, test.config))
			eventually(t, "all are in hand", func() bool { _, inFlight := w.depth(t, w.source); return inFlight == test.messages })
			eventually(t, "all are deleted", func() bool {
				visible, inFlight := w.depth(t, w.source)
				if visible > 0 {
					t.Fatal("a message became visible while it was worked on")
				}
				return inFlight == 0
			})
		})
	}
}

// A lost answer to a receive hides its messages for less than the queue's visibility
// timeout. Messages in work get the full timeout all the same, even if the first
// heartbeat fails.
func TestReceiveHidesForAShorterTime(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		w.faults.Add(localaws.Fault{Action: "ReceiveMessage", Times: 1, Lost: true, Late: true})
		w.faults.Add(localaws.Fault{Action: "ChangeMessageVisibilityBatch", Times: 1, Code: "ServiceUnavailable", Status: 503})
		w.send(t, body("id"), event.Sale)
		begun := time.Now()
		start(t, w.worker(t, config.Config{Concurrency: concurrency, ProcessDelay: 100 * time.Second}))
		eventually(t, "the answer is lost", func() bool { _, inFlight := w.depth(t, w.source); return inFlight == 1 })
		eventually(t, "the message comes again", func() bool { return w.metric(t, "consumer_messages_in_flight") == 1 })
		if took := time.Since(begun); took > config.FirstVisibility+2*time.Second {
			t.Errorf("the message came again after %s, want %s", took, config.FirstVisibility)
		}
		for time.Since(begun) < 100*time.Second {
			w.holds(t, 0, 1)
			time.Sleep(100 * time.Millisecond)
		}
		eventually(t, "it is stored", func() bool { return len(w.keys(t)) == 1 })
	})
}

// A worker that must end while it writes objects finishes those messages and gives the
// others back.
func TestEndInMidWriteFinishesIt(t *testing.T) {
	for _, concurrency := range []int{1, 3} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", concurrency), func(t *testing.T) {
			w := newWorld(t, 30)
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: concurrency, Latency: time.Second})
			w.sendAll(t, concurrency+2)
			w.endDuring(t, "S3:PUT", w.worker(t, config.Config{Concurrency: concurrency}))
			if keys := w.keys(t); len(keys) != concurrency {
				t.Errorf("stored %v, want the %d that were being written", keys, concurrency)
			}
			w.holds(t, 2, 0)
		})
	}
}

// A worker that must end during a poll lets the poll finish. It stores the received
// messages at once, without delay.
func TestEndWhilePollingStrandsNothing(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		end := start(t, w.worker(t, config.Config{Concurrency: concurrency, ProcessDelay: time.Minute}))
		eventually(t, "it polls", func() bool { return w.calls.receives.all.Load() > 0 })
		time.Sleep(200 * time.Millisecond)
		ended := make(chan struct{})
		go func() { defer close(ended); end() }()
		time.Sleep(100 * time.Millisecond)
		select {
		case <-ended:
			t.Fatal("the poll was cut")
		default:
		}
		w.sendAll(t, 1)
		<-ended
		if n := w.metric(t, "consumer_messages_received_total"); n != 1 {
			t.Errorf("the poll brought %v messages, want 1", n)
		}
		if keys := w.keys(t); len(keys) != 1 {
			t.Errorf("stored %v, want one object", keys)
		}
		w.holds(t, 0, 0)
	})
}

// When a whole fleet ends during its last polls, a message may arrive. It must not pass
// from one worker to the next until the queue moves it to the dead-letter queue. So its
// receiver stores it, or delays it if that fails.
func TestEndingFleetDoesNotDeadLetter(t *testing.T) {
	down := localaws.Fault{Action: "S3:PUT", Times: 1000, Code: "InternalError", Status: 500}
	for name, test := range map[string]struct {
		concurrency    int
		fault          localaws.Fault
		stored, hidden int
	}{
		"one batch after the other": {1, localaws.Fault{}, 1, 0},
		"overlapping":               {overlapping, localaws.Fault{}, 1, 0},
		"the bucket is down":        {1, down, 0, 1},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 30)
			w.faults.Add(test.fault)
			ctx, cancel := context.WithCancel(t.Context())
			var fleet sync.WaitGroup
			for range 15 {
				c := w.worker(t, config.Config{ProcessDelay: 10 * time.Second, Concurrency: test.concurrency})
				fleet.Go(func() { c.Run(ctx) })
			}
			eventually(t, "all of them poll", func() bool { return w.calls.receives.all.Load() == 15 })
			time.Sleep(200 * time.Millisecond)
			cancel()
			w.send(t, body("id"), event.Sale)
			fleet.Wait()
			if keys := w.keys(t); len(keys) != test.stored {
				t.Errorf("stored %v, want %d objects", keys, test.stored)
			}
			w.holds(t, 0, test.hidden)
			if dead, inFlight := w.depth(t, w.dead); dead+inFlight != 0 {
				t.Errorf("%d good messages are in the dead-letter queue", dead+inFlight)
			}
		})
	}
}
