package cluster

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// The second of two commands waits until the first is done, or until it is interrupted.
func TestLock(t *testing.T) {
	paths := layout.Paths{Cache: t.TempDir()}
	var progress bytes.Buffer
	unlock, err := Lock(t.Context(), paths, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if progress.Len() > 0 {
		t.Errorf("the first says %q", &progress)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, paths, &progress); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second has the error %v", err)
	}
	if want := "waiting for another command that builds engines, or starts or ends the cluster\n"; progress.String() != want {
		t.Errorf("the second says %q, want %q", &progress, want)
	}
	unlock()
	unlock, err = Lock(t.Context(), paths, &progress)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
