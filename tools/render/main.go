// Command render prints what Flux would apply to the clusters of a repository,
// and what a push would change there, without a cluster and without network.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/render/internal/command"
)

func main() {
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
