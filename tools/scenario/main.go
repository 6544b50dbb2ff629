// Command scenario writes, as JSON, what simulate needs to know of ScaledObjects: read
// from the manifests as Flux would apply them, at the working tree or at a Git revision.
// It is a command of its own because simulate is a module of its own, with Kubernetes'
// libraries at another version.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/scenario/internal/command"
)

func main() { os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr)) }
