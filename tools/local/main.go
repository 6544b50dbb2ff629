//go:build linux

// Command local runs the whole system on this machine: real Kubernetes, Flux
// and KEDA, a local AWS, the producer and the consumers.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/command"
)

func main() {
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
