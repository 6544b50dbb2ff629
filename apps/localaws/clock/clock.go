// Package clock is the time of the local AWS server: the system's, or one that
// a test moves.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock is the server's time: of delays, visibility timeouts, retention, long
// polls, injected latency, and of S3's Last-Modified.
type Clock interface {
	Now() time.Time
	// After is as time.After.
	After(time.Duration) <-chan time.Time
}

// System is the system's clock.
type System struct{}

// Now is time.Now.
func (System) Now() time.Time { return time.Now() }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Fake is a Clock that stands still until Advance moves it. It is safe
// for concurrent use.
type Fake struct {
	mu      sync.Mutex
	changed *sync.Cond
	now     time.Time
	alarms  []alarm
}

type alarm struct {
	at   time.Time
	ring chan<- time.Time
}

// NewFake makes a clock that stands at now.
func NewFake(now time.Time) *Fake {
	c := &Fake{now: now}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Now is the time that the clock stands at.
func (c *Fake) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After rings when Advance has moved the clock by d, at once if d is not
// positive.
func (c *Fake) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ring := make(chan time.Time, 1)
	if d <= 0 {
		ring <- c.now
		return ring
	}
	c.alarms = append(c.alarms, alarm{c.now.Add(d), ring})
	c.changed.Broadcast()
	return ring
}

// Advance moves the clock and rings every alarm that is due.
func (c *Fake) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	later := c.alarms[:0]
	for _, a := range c.alarms {
		if a.at.After(c.now) {
			later = append(later, a)
			continue
		}
		a.ring <- c.now
	}
	c.alarms = later
}

// BlockUntil returns when n alarms are set. An alarm counts until it rings,
// even if nobody waits for it any more.
func (c *Fake) BlockUntil(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.alarms) < n {
		c.changed.Wait()
	}
}

// Sleep waits for d by the clock, and ends early when the caller is gone.
func Sleep(ctx context.Context, c Clock, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-c.After(d):
	}
}
