// Command validate is the gate before a push: it renders every cluster of a repository as
// Flux would, checks each object against its schema and all of them together, and names
// the line to fix. It needs neither a cluster nor a network.
package main

import (
	"os"
	"runtime/debug"

	"github.com/mystique-unicorn/sales-events/tools/validate/internal/command"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// A run is short, so it trades memory for time.
		debug.SetGCPercent(1000)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// But it takes no more memory than a small CI machine can spare, unless it needs
		// more.
		limitMemory(512 << 20)
	}
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
