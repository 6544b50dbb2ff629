package sqs

import (
	"math"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// counts are the three numbers that SQS calls Approximate.
type counts struct{ visible, inFlight, delayed int }

// counts returns the exact current numbers.
func (q *queue) counts() counts {
	return counts{q.visible.length, q.inFlight, q.hidden.Len() - q.inFlight}
}

// past holds the counts of a period. It ends at a time, and begins where the previous one
// ends.
type past struct {
	counts
	until time.Time
}

// resolution is the resolution of times in a queue's history.
const resolution = time.Second

// remember records the counts before a call changes them.
func (q *queue) remember(now time.Time) {
	if n := len(q.history); n > 0 && now.Before(q.history[n-1].until.Add(resolution)) {
		return
	}
	if len(q.history) > 2*int(fault.MaxLag/resolution) {
		q.history = append(q.history[:0], q.history[len(q.history)/2:]...)
	}
	q.history = append(q.history, past{q.counts(), now})
}

// approximate returns the counts as AWS documents them: a fault makes them late and
// inexact.
func (q *queue) approximate(hit fault.Hit, now time.Time) counts {
	c := q.counts()
	if hit.Lag > 0 {
		then := now.Add(-hit.Lag)
		for i := len(q.history) - 1; i >= 0 && q.history[i].until.After(then); i-- {
			c = q.history[i].counts
		}
	}
	vary := func(n int) int { return int(math.Round(float64(n) * (1 + hit.Jitter))) }
	return counts{vary(c.visible), vary(c.inFlight), vary(c.delayed)}
}
