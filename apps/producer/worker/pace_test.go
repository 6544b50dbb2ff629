package worker

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

// sendFor returns the number of calls that began within d, and the times at which the
// delivered messages were sent. A call takes some time. Nothing may happen at d itself,
// because it might count or not.
func sendFor(t *testing.T, c config.Config, replayed trace.Trace, call, d time.Duration) (calls int, came []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{delay: func() time.Duration { return call }}
		w, _ := newWorker(c, replayed, q, "")
		begun := time.Now()
		go func() {
			time.Sleep(d)
			q.mu.Lock()
			defer q.mu.Unlock()
			calls = q.calls
			for _, at := range q.times {
				came = append(came, at.Sub(begun)-call)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), d+time.Second)
		defer cancel()
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
	})
	return calls, came
}

// The producer sends a message every two seconds, however long a call takes.
func TestWait(t *testing.T) {
	_, came := sendFor(t, config.Config{WaitSeconds: 2}, nil, 30*time.Millisecond, 21*time.Second)
	if len(came) != 11 {
		t.Fatalf("%d messages in 21 s, want 11", len(came))
	}
	for i, at := range came {
		if at != time.Duration(i)*2*time.Second {
			t.Errorf("message %d came at %s", i, at)
		}
	}
}

// A rate is even: no tenth of a second has more than twice its share of messages.
func TestRate(t *testing.T) {
	for _, perSecond := range []int{1, 7, 10, 99, 1000, 5000} {
		calls, came := sendFor(t, config.Config{MsgsPerSec: perSecond, Concurrency: 16}, nil, 20*time.Millisecond, 10*time.Second-time.Millisecond)
		if got := float64(len(came)) / 10; math.Abs(got-float64(perSecond)) > 1+0.02*float64(perSecond) {
			t.Errorf("MSGS_PER_SEC=%d: %.1f a second", perSecond, got)
		}
		tenths := map[int]int{}
		for _, at := range came {
			tenths[int(at/(100*time.Millisecond))]++
		}
		for tenth, n := range tenths {
			if float64(n) > 2*math.Max(1, float64(perSecond)/10)+1 {
				t.Errorf("MSGS_PER_SEC=%d: %d messages in tenth %d of a second", perSecond, n, tenth)
			}
		}
		// Few messages share a call, so that no message waits long for others.
		if most := (perSecond*11 + 20) / min(maxBatch, max(1, perSecond/10)); calls > most {
			t.Errorf("MSGS_PER_SEC=%d: %d calls in 10 s, want at most %d", perSecond, calls, most)
		}
	}
}

// A rate is not exceeded after an outage: slow calls are not made up for later.
func TestRateIsNotExceeded(t *testing.T) {
	call := 3 * time.Second
	_, came := sendFor(t, config.Config{MsgsPerSec: 50}, nil, call, 31*time.Second)
	if n := len(came); n != 50 {
		t.Errorf("%d messages in ten calls, want five in each", n)
	}
}

// At full speed, calls are full and follow each other.
func TestFlatOut(t *testing.T) {
	calls, came := sendFor(t, config.Config{Concurrency: 4}, nil, 10*time.Millisecond, time.Second-time.Millisecond)
	if calls != 400 || len(came) != 99*4*maxBatch {
		t.Errorf("%d calls with %d messages, want 400 with %d", calls, len(came), 99*4*maxBatch)
	}
}

// Each message of a trace is sent at its time, at most the patience late. The trace
// starts again after its end.
func TestReplay(t *testing.T) {
	replayed := trace.Trace{{Seconds: 2, Messages: 100}, {Seconds: 1, Messages: 0}, {Seconds: 0, Messages: 35}, {Seconds: 4, Messages: 4}}
	calls, came := sendFor(t, config.Config{Concurrency: 4}, replayed, 10*time.Millisecond, 10*time.Second-time.Millisecond)
	cursor, late := replayed.Cursor(), time.Duration(0)
	for i, at := range came {
		due := cursor.Next()
		if at < due {
			t.Fatalf("message %d was due at %s and came at %s", i, due, at)
		}
		late = max(late, at-due)
	}
	if late > patience {
		t.Errorf("a message came %s late", late)
	}
	if want := 100 + 35 + 4 + 100; len(came) != want {
		t.Errorf("%d messages in 10 s, want %d", len(came), want)
	}
	// At 50 messages a second a call has five, in a burst ten, and at one a second one.
	if want := 20 + 4 + 4 + 20; calls > want+3 {
		t.Errorf("%d calls, want about %d", calls, want)
	}
}

// A delayed replay catches up.
func TestReplayCatchesUp(t *testing.T) {
	replayed := trace.Trace{{Seconds: 1, Messages: 200}, {Seconds: 9, Messages: 9}}
	_, came := sendFor(t, config.Config{}, replayed, 200*time.Millisecond, 9900*time.Millisecond)
	if len(came) != 209 {
		t.Errorf("%d messages, want 209", len(came))
	}
}

// The total also ends a replay, even within a call.
func TestReplayEndsWithTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		w, _ := newWorker(config.Config{Total: 257}, trace.Trace{{Seconds: 1, Messages: 100}}, q, "")
		begun := time.Now()
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); len(q.bodies) != 257 || took < 2500*time.Millisecond || took > 2700*time.Millisecond {
			t.Errorf("%d messages in %s", len(q.bodies), took)
		}
	})
}
