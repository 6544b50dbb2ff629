// Package scaling has the rules about what decides the number of a workload's pods, and
// what may remove one.
package scaling

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Autoscalers, // POD016
		Overlaps,    // POD017
		Disruption,  // POD018
	}
}
