//go:build linux

// Command preflight makes this machine ready for the local cluster, as the start of the
// cluster itself does. It is a program of its own because it compiles in seconds: so it
// names what is missing before minutes of compiling.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/preflight"
)

func main() {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

// prepare runs in the checkout's root.
func prepare() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	checkout, err := os.Getwd()
	if err != nil {
		return err
	}
	paths, err := layout.Default()
	if err != nil {
		return err
	}
	// If a cluster was started here, only the next start can tell whether it runs, and
	// which of the machine's state is the cluster's.
	if _, err := os.Stat(paths.PIDFile()); err == nil {
		return nil
	}
	set, err := engines.Load(filepath.Join(checkout, "tools", "engines"), paths.Engines())
	if err != nil {
		return err
	}
	if err := preflight.ExtendPath(); err != nil {
		return err
	}
	return preflight.Start{Checkout: checkout, Paths: paths, Engines: set}.Prepare(ctx, os.Stdout)
}
