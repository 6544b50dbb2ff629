// Package inprocess names the composition functions that are compiled into the tools. It
// connects package compose with this repository's own function.
package inprocess

import (
	"maps"
	"slices"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
)

// programs returns the functions by their names in the configuration.
func programs() map[string]compose.Function {
	return map[string]compose.Function{
		"function-sales-events": {FunctionRunnerServiceServer: function.Function{}, Assigned: function.Assigned()},
	}
}

// Programs returns the names of the functions.
func Programs() []string { return slices.Sorted(maps.Keys(programs())) }

// Functions returns the functions by the repository of their package. A repository's
// configuration adds the repositories that it uses.
func Functions(workloads []config.Workload) map[string]compose.Function {
	known := programs()
	functions := map[string]compose.Function{
		// It only reports readiness, and nothing is ready before it exists.
		"xpkg.crossplane.io/crossplane-contrib/function-auto-ready": {FunctionRunnerServiceServer: compose.Pass{}},
	}
	for name, f := range known {
		functions["ghcr.io/mystique-unicorn/"+name] = f
	}
	for _, workload := range workloads {
		if f, found := known[workload.Program]; found {
			functions[workload.Image] = f
		}
	}
	return functions
}
