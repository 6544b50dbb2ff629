// Package shutdown is how long a workload's last calls may go on after it has been
// asked to end.
//
// It knows nothing of what they do.
package shutdown

import (
	"context"
	"time"
)

// Outlast is a context that ends d after ctx does, with the values of ctx. The
// function that it returns frees what it holds, as that of context.WithCancel does.
func Outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
