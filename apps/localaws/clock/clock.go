// Package clock is the time of the local AWS server: the system's clock, or one that a
// test moves.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock is the server's time. It applies to delays, visibility timeouts, retention, long
// polls, injected latency, and S3's Last-Modified.
type Clock interface {
	Now() time.Time
	// After is like time.After.
	After(time.Duration) <-chan time.Time
}

// System is the system's clock.
type System struct{}

// Now returns the system's time.
func (System) Now() time.Time { return time.Now() }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Fake is a Clock that only Advance moves. It is safe for concurrent use.
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

// NewFake returns a clock that shows now.
func NewFake(now time.Time) *Fake {
	c := &Fake{now: now}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Now returns the time that the clock shows.
func (c *Fake) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After sends the time when Advance has moved the clock by d, or at once if d is not
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

// Advance moves the clock and fires every timer that is due.
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

// BlockUntil returns when n timers are set. A timer counts until it fires, even if nobody
// waits for it any more.
func (c *Fake) BlockUntil(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.alarms) < n {
		c.changed.Wait()
	}
}

// Sleep waits for d on the clock, or until ctx ends.
func Sleep(ctx context.Context, c Clock, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-c.After(d):
	}
}
