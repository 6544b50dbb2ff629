// Package aws has the rules about what a repository declares on AWS itself: EKS clusters,
// their nodes and their networks.
package aws

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		ClusterFacts, // AWS001
		Examples,     // AWS002
		Support,      // AWS003
		Sizes,        // AWS004
	}
}
