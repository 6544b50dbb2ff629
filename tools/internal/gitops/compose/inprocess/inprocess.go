// Package inprocess names the composition functions that are compiled into the
// tools: where package compose meets this repository's own function.
package inprocess

import (
	"maps"
	"slices"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
)

// programs are the functions by the names that the configuration has for them.
func programs() map[string]compose.Function {
	return map[string]compose.Function{
		"function-sales-events": {FunctionRunnerServiceServer: function.Function{}, Assigned: function.Assigned()},
	}
}

// Programs are the names of the functions.
func Programs() []string { return slices.Sorted(maps.Keys(programs())) }

// Functions are the functions by the repository of their package. The configuration
// of a repository says in which other ones it has them.
func Functions(workloads []config.Workload) map[string]compose.Function {
	known := programs()
	functions := map[string]compose.Function{
		// It says what is ready, which nothing is before it exists.
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
