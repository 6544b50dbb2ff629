// Command validate is the gate before a push: it renders every cluster of a
// repository as Flux would, validates each object by its schema and all of them
// together, and points at the line to fix. It needs no cluster
// and no network.
package main

import (
	"os"
	"runtime/debug"

	"github.com/mystique-unicorn/sales-events/tools/validate/internal/command"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// A run is short: it takes memory for time.
		debug.SetGCPercent(1000)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// But no more than a small CI machine has to spare, unless the work needs it.
		limitMemory(512 << 20)
	}
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
