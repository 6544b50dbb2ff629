// Command render prints what Flux would apply to the clusters of a repository,
// and what a push would change there, without a cluster and without network.
package main

import (
	"os"
	"runtime/debug"

	"github.com/mystique-unicorn/sales-events/tools/render/internal/command"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// A run is short, so it trades memory for time.
		debug.SetGCPercent(400)
	}
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
