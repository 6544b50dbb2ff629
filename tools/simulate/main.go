// Command simulate predicts what a push changes in scaling. It runs Kubernetes' HPA
// controller, KEDA's decision, the queue and the consumer on a fake clock, with the
// manifests as Flux would apply them. docs/simulate.md says what it models and how exact
// it is.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/bubble"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/command"
)

func main() {
	bubble.ServeIfAsked()
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
