package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// Lock makes this the only command that builds, starts or ends anything in the cache
// folder, which it creates if needed. While another command holds the lock, it says so
// and waits. Only with the lock is it certain whether a cluster runs. The kernel releases
// the lock of a process that ends, however it ends.
func Lock(ctx context.Context, paths layout.Paths, progress io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(paths.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	folder, err := os.Open(paths.Cache)
	if err != nil {
		return nil, fmt.Errorf("open the cache folder: %w", err)
	}
	for waited := false; ; waited = true {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = folder.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the cache folder %s: %w", paths.Cache, err), folder.Close())
		}
		if !waited {
			fmt.Fprintln(progress, "waiting for another command that builds engines, or starts or ends the cluster")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another command: %w", context.Cause(ctx)), folder.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
