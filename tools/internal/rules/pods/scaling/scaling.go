// Package scaling holds the rules on who decides how many pods of a workload run, and
// who may take one away.
package scaling

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Autoscalers, // POD016
		Overlaps,    // POD017
		Disruption,  // POD018
	}
}
