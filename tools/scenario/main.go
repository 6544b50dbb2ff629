// Command scenario writes, as JSON, what simulate needs to know about ScaledObjects. It
// reads the manifests as Flux would apply them, in the working tree or at a Git revision.
// It is a command of its own because simulate is a separate module, with another version
// of Kubernetes' libraries.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/scenario/internal/command"
)

func main() { os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr)) }
