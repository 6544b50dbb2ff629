// Package shutdown lets a workload's last calls go on for a while after it was asked to
// end.
//
// It must not know what they do.
package shutdown

import (
	"context"
	"time"
)

// Outlast returns a context with the values of ctx that ends d after ctx does. The
// function that it returns releases its resources, like that of context.WithCancel.
func Outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
