package worker

import (
	"context"
	"time"
)

// backoff is a pause that starts at first and doubles up to max, then starts again.
type backoff struct{ first, max, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last *= 2
	if b.last == 0 || b.last > b.max {
		b.last = b.first
	}
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
