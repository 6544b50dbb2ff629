// Package flux has the rules about what Flux does with a repository: whether it builds,
// in which order it is applied, and what a change destroys.
package flux

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Dependencies,  // FLX001
		References,    // FLX002
		Variables,     // FLX003
		Definitions,   // FLX004
		Namespaces,    // FLX005
		Owners,        // FLX006
		Pins,          // FLX007
		Changes,       // FLX008
		Builds,        // FLX009
		Ineffective,   // FLX010
		Unlisted,      // FLX011
		Unsubstituted, // FLX012
	}
}

// dependOn returns the fix that makes one Kustomization or HelmRelease wait for another
// one, which applies what it needs. Each can depend only on its own kind.
func dependOn(c *model.Cluster, then, first *render.Applier, what string) string {
	wait := ""
	if waits(c, first, then) {
		return fmt.Sprintf("move the %s into %s: %s itself waits for that", what, then, first)
	}
	if then.Release == nil && first.Release != nil {
		first, wait = first.Parent, ", with wait: true there"
	}
	if then.Release != nil && first.Release == nil {
		then = then.Parent
	}
	if then == first || model.Ancestor(then, first) {
		return fmt.Sprintf("move it into a Kustomization that depends on %s%s", first.Name, wait)
	}
	return fmt.Sprintf("add dependsOn to %s: %s%s", then, first.Name, wait)
}

// waits reports whether a Kustomization or HelmRelease starts only after another one: it
// depends on that one, or that one applies it.
func waits(c *model.Cluster, k, first *render.Applier) bool {
	return model.Ancestor(first, k) || c.Precedes(first, k)
}
