package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

const (
	// maxBatch is how many messages SQS takes in a call.
	maxBatch = 10
	// patience is how long a message may wait for others to share its call.
	patience = 100 * time.Millisecond
)

// pace decides when messages are sent and how many in a call.
type pace interface {
	// next waits until a call is due and returns how many messages it has, at most
	// left and maxBatch. The error is that of ctx, if that ended.
	next(ctx context.Context, left int) (int, error)
}

func newPace(c config.Config, t trace.Trace) pace {
	switch {
	case len(t) > 0:
		return &replay{cursor: t.Cursor()}
	case c.MsgsPerSec > 0:
		// What one call brings is what comes within patience, and so is what may be
		// made up for after a delay: a rate is no promise of a total.
		burst := max(1, int(float64(c.MsgsPerSec)*patience.Seconds()))
		return steady{rate.NewLimiter(rate.Limit(c.MsgsPerSec), burst), min(burst, maxBatch)}
	case c.WaitSeconds > 0:
		return steady{rate.NewLimiter(rate.Every(time.Duration(c.WaitSeconds)*time.Second), 1), 1}
	default:
		return steady{rate.NewLimiter(rate.Inf, maxBatch), maxBatch}
	}
}

// steady is a pace that does not change, and calls of one size.
type steady struct {
	limiter *rate.Limiter
	size    int
}

func (s steady) next(ctx context.Context, left int) (int, error) {
	n := min(s.size, left)
	// Not WaitN: near the deadline of a context it does not wait, and fails.
	return n, sleep(ctx, s.limiter.ReserveN(time.Now(), n).Delay())
}

// replay sends each message when its trace says. What is late, because calls took too
// long, is sent as fast as they go, until it has caught up.
type replay struct {
	cursor *trace.Cursor
	begins time.Time
	due    []time.Duration // of the messages to come, as many as a call takes
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
