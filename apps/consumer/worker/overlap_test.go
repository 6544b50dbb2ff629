package worker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// always is more calls than any test makes.
const always = 1_000_000

// A worker stores up to CONCURRENCY messages at the same time: never more, and not fewer
// while it has enough messages.
func TestStoresSideBySide(t *testing.T) {
	for _, test := range []struct {
		concurrency, polls int
		took               time.Duration
	}{
		{1, 1, 40 * time.Second},
		{8, 1, 5 * time.Second}, // twice as many in hand: one more batch fits at times
		{40, 4, time.Second},
	} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", test.concurrency), func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 40)
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: time.Second})
			begun := time.Now()
			worker := w.worker(t, config.Config{Concurrency: test.concurrency, Total: 40})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			worker.Run(ctx)
			if most := w.calls.writes.most.Load(); most != int64(test.concurrency) {
				t.Errorf("at most %d writes at the same time, want %d", most, test.concurrency)
			}
			if took := time.Since(begun); took < test.took || took > test.took*5/4 {
				t.Errorf("40 writes of a second took %s, want %s", took, test.took)
			}
			w.holds(t, 0, 0)
		})
	}
}

// With CONCURRENCY alone, receives continue while messages are stored.
func TestReceivesWhileStoring(t *testing.T) {
	for concurrency, want := range map[int]int{1: 10, 30: 30} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", concurrency), func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 60)
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: 5 * time.Second})
			start(t, w.worker(t, config.Config{Concurrency: concurrency}))
			time.Sleep(4 * time.Second) // none is stored yet
			w.holds(t, 60-want, want)
		})
	}
}

// A stored message waits only a limited time for nine others to delete in the same call,
// whatever happens to its batch.
func TestDeletesTogetherButSoon(t *testing.T) {
	const concurrency = 40
	t.Run("together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 400)
			toTotal(t, w.worker(t, config.Config{Concurrency: concurrency, Total: 400}))
			if n := w.calls.deletes.all.Load(); n > 44 {
				t.Errorf("400 messages were deleted with %d requests, want about 40", n)
			}
		})
	})
	t.Run("soon", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 10)
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: 5 * time.Second})
			start(t, w.worker(t, config.Config{Concurrency: concurrency}))
			time.Sleep(worker.DeleteDelay + time.Millisecond)
			w.holds(t, 0, 1) // the message that is being stored
			if n := w.calls.deletes.all.Load(); n != 1 {
				t.Errorf("nine messages were deleted with %d requests, want 1", n)
			}
		})
	})
}

// A worker with a total takes exactly that many messages, whatever the sequence of its
// receives and failures, and stores as many as it reports.
func TestTotalIsExact(t *testing.T) {
	for _, concurrency := range []int{1, 2, 8, 50} {
		for _, total := range []int{1, 9, 23, 60} {
			inBubble(t, fmt.Sprintf("CONCURRENCY=%d, TOT_MSGS_TO_PROCESS=%d", concurrency, total), func(t *testing.T) {
				w := newWorld(t, 30)
				w.sendAll(t, 60+20)
				w.faults.Add(localaws.Fault{Action: "ReceiveMessage", Times: always, Latency: 50 * time.Millisecond})
				// The first message fails and is hidden, and another one takes its place.
				w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Code: "InternalError", Status: 500})
				w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: 20 * time.Millisecond})
				toTotal(t, w.worker(t, config.Config{Concurrency: concurrency, Total: total}))
				if stored := len(w.keys(t)); stored != total {
					t.Errorf("stored %d, want %d", stored, total)
				}
				visible, inFlight := w.depth(t, w.source)
				if visible+inFlight != 80-total || inFlight != 0 {
					t.Errorf("%d visible, %d in flight; want %d visible", visible, inFlight, 80-total)
				}
			})
		}
	}
}

// A worker makes more polls while the queue is full. When the queue is empty, it polls at
// most six times a minute.
func TestPollsFollowTheQueue(t *testing.T) {
	for concurrency, want := range map[int]int64{1: 1, 128: 4} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", concurrency), func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 2000)
			w.faults.Add(localaws.Fault{Action: "ReceiveMessage", Times: always, Latency: 8 * time.Millisecond})
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: 25 * time.Millisecond})
			c := w.worker(t, config.Config{Concurrency: concurrency})
			c.SetTimes(config.LongPoll, config.Finish, config.Drain)
			start(t, c)
			eventually(t, "the queue is empty", func() bool { visible, inFlight := w.depth(t, w.source); return visible+inFlight == 0 })
			if most := w.calls.receives.most.Load(); most < want || concurrency == 1 && most > want {
				t.Errorf("at most %d polls at the same time, want %d", most, want)
			}
			time.Sleep(time.Minute)
			const minutes = 10
			before := w.calls.receives.all.Load()
			time.Sleep(minutes * time.Minute)
			if n := w.calls.receives.all.Load() - before; n > 6*minutes || n == 0 {
				t.Errorf("%d receives in %d minutes from an empty queue, want at most %d", n, minutes, 6*minutes)
			}
			if now := w.calls.receives.now.Load(); now > 1 {
				t.Errorf("%d polls wait at an empty queue, want one", now)
			}
		})
	}
}

// When storing is slow, a worker takes only as many messages as it can store before the
// visibility timeout ends. Here that is five: 4 at a time, 1.6 s each.
func TestInHandFitsTheTimeout(t *testing.T) {
	for name, test := range map[string]struct {
		put     time.Duration
		watched time.Duration
		most    int
	}{
		"slow":  {1600 * time.Millisecond, 10 * time.Second, 5},
		"quick": {100 * time.Millisecond, time.Second, 8}, // twice CONCURRENCY
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.sendAll(t, 60)
			w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: test.put})
			start(t, w.worker(t, config.Config{Concurrency: 4, BatchSize: 1}))
			most := 0
			for range test.watched / (10 * time.Millisecond) {
				time.Sleep(10 * time.Millisecond)
				_, inFlight := w.depth(t, w.source)
				most = max(most, inFlight)
			}
			if most != test.most {
				t.Errorf("%d messages in hand at most, want %d", most, test.most)
			}
		})
	}
}

// MSG_PROCESS_DELAY delays each batch. Overlapping batches wait at the same time.
func TestDelaysSideBySide(t *testing.T) {
	for concurrency, want := range map[int]time.Duration{1: 30 * time.Second, 30: 10 * time.Second} {
		inBubble(t, fmt.Sprint("CONCURRENCY=", concurrency), func(t *testing.T) {
			w := newWorld(t, 30)
			w.sendAll(t, 30)
			begun := time.Now()
			worker := w.worker(t, config.Config{Concurrency: concurrency, Total: 30, ProcessDelay: 10 * time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			worker.Run(ctx)
			if took := time.Since(begun); took < want || took > want+time.Second {
				t.Errorf("three batches took %s, want %s", took, want)
			}
		})
	}
}

// An overlapping worker that must end with a backlog gives back the messages that wait
// for a slot, while it stores the others. No message stays hidden.
func TestEndInMidBacklogStrandsNothing(t *testing.T) {
	inBubble(t, "backlog", func(t *testing.T) {
		const concurrency, messages = 8, 200
		w := newWorld(t, 30)
		w.sendAll(t, messages)
		w.faults.Add(localaws.Fault{Action: "ReceiveMessage", Times: always, Latency: 8 * time.Millisecond})
		w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: 100 * time.Millisecond})
		end := start(t, w.worker(t, config.Config{Concurrency: concurrency}))
		time.Sleep(550 * time.Millisecond)
		begun := time.Now()
		end()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the end took %s", took)
		}
		stored := len(w.keys(t))
		if stored == 0 || stored == messages {
			t.Fatalf("%d stored: the end was not amid the work", stored)
		}
		w.holds(t, messages-stored, 0)
	})
}

// In a steady stream, messages are stored soon even while most of the fleet ends: a pod
// that ends keeps no message from the others.
func TestScaleDownKeepsMessagesSoon(t *testing.T) {
	const (
		pods, messages = 30, 300
		// One pod alone can store this rate.
		every = 250 * time.Millisecond
		limit = 3 * time.Second
	)
	for _, delay := range []time.Duration{0, time.Second} {
		t.Run(fmt.Sprint("MSG_PROCESS_DELAY=", delay), func(t *testing.T) {
			withEach(t, func(t *testing.T, concurrency int) {
				w := newWorld(t, 30)
				w.faults.Add(localaws.Fault{Action: "S3:PUT", Times: always, Latency: 25 * time.Millisecond})
				asked, scaleDown := context.WithCancel(t.Context())
				defer scaleDown()
				var fleet sync.WaitGroup
				for range pods - 1 {
					c := w.worker(t, config.Config{Concurrency: concurrency, ProcessDelay: delay})
					c.SetTimes(config.LongPoll, config.Finish, config.Drain)
					fleet.Go(func() { c.Run(asked) })
				}
				end := start(t, w.worker(t, config.Config{Concurrency: concurrency, ProcessDelay: delay}))
				sent := map[string]time.Time{}
				for i := range messages {
					if i == messages/3 {
						scaleDown()
					}
					id := fmt.Sprint("id", i)
					sent[id] = time.Now()
					w.send(t, body(id), event.Sale)
					time.Sleep(every)
				}
				fleet.Wait()
				time.Sleep(time.Minute)
				end()
				var took []time.Duration
				for id, at := range sent {
					written, ok := w.calls.written.Load(id)
					if !ok {
						t.Fatalf("%s is not stored", id)
					}
					took = append(took, written.(time.Time).Sub(at))
				}
				slices.Sort(took)
				if p99 := took[len(took)*99/100]; p99 > limit {
					t.Errorf("the 99th percentile from sent to stored is %s, want at most %s; the longest %s", p99, limit, took[len(took)-1])
				} else {
					t.Logf("delay %s: p50 %s, p99 %s, longest %s", delay, took[len(took)/2], p99, took[len(took)-1])
				}
				if dead, _ := w.depth(t, w.dead); dead != 0 {
					t.Errorf("%d good messages are in the dead-letter queue", dead)
				}
			})
		})
	}
}
