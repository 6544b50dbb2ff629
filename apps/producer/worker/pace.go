package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

const (
	// maxBatch is SQS's limit for the messages in a call.
	maxBatch = 10
	// patience is the longest time that a message waits for others to share its call.
	patience = 100 * time.Millisecond
)

// pace decides when messages are sent, and how many in a call.
type pace interface {
	// next waits until a call is due, and returns its number of messages, at most left
	// and maxBatch. If ctx ends, it returns ctx's error.
	next(ctx context.Context, left int) (int, error)
}

func newPace(c config.Config, t trace.Trace) pace {
	switch {
	case len(t) > 0:
		return &replay{cursor: t.Cursor()}
	case c.MsgsPerSec > 0:
		// A call takes the messages that are due within patience. After a delay no more
		// than that is made up for: a rate is not a promise of a total.
		burst := max(1, int(float64(c.MsgsPerSec)*patience.Seconds()))
		return steady{rate.NewLimiter(rate.Limit(c.MsgsPerSec), burst), min(burst, maxBatch)}
	case c.WaitSeconds > 0:
		return steady{rate.NewLimiter(rate.Every(time.Duration(c.WaitSeconds)*time.Second), 1), 1}
	default:
		return steady{rate.NewLimiter(rate.Inf, maxBatch), maxBatch}
	}
}

// steady sends at an even rate, in calls of one size.
type steady struct {
	limiter *rate.Limiter
	size    int
}

func (s steady) next(ctx context.Context, left int) (int, error) {
	n := min(s.size, left)
	// WaitN would fail instead of waiting if the deadline of the context is near.
	return n, sleep(ctx, s.limiter.ReserveN(time.Now(), n).Delay())
}

// replay sends each message at its time in the trace. If slow calls make it late, it
// sends as fast as possible until it has caught up.
type replay struct {
	cursor *trace.Cursor
	begins time.Time
	due    []time.Duration // times of the next messages, up to a batch
}

func (r *replay) next(ctx context.Context, left int) (int, error) {
	if r.begins.IsZero() {
		r.begins = time.Now()
	}
	for len(r.due) < maxBatch {
		r.due = append(r.due, r.cursor.Next())
	}
	n := 1
	for n < min(maxBatch, left) && r.due[n]-r.due[0] < patience {
		n++
	}
	last := r.due[n-1]
	r.due = r.due[:copy(r.due, r.due[n:])]
	return n, sleep(ctx, time.Until(r.begins.Add(last)))
}
