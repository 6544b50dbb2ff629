// Package inprocess names the composition functions that are compiled into the
// tools: where package compose meets this repository's own function.
package inprocess

import (
	"github.com/mystique-unicorn/sales-events/crossplane/function"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
)

// Functions are the functions by the repository of their package.
func Functions() map[string]compose.Function {
	return map[string]compose.Function{
		"ghcr.io/mystique-unicorn/function-sales-events": {FunctionRunnerServiceServer: function.Function{}, Assigned: function.Assigned()},
		// It says what is ready, which nothing is before it exists.
		"xpkg.crossplane.io/crossplane-contrib/function-auto-ready": {FunctionRunnerServiceServer: compose.Pass{}},
	}
}
