// Package aws holds the rules on what a repository says of AWS itself: of EKS clusters,
// their nodes and their network.
package aws

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		ClusterFacts, // AWS001
		Examples,     // AWS002
		Support,      // AWS003
		Sizes,        // AWS004
	}
}
