// Package iam has the rules about the identity of pods on AWS: which role they assume,
// whom the role trusts, and what it may do.
package iam

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Annotations,    // IRSA001
		Trust,          // IRSA002
		Permissions,    // IRSA003
		Excess,         // IRSA004
		StaticKeys,     // IRSA005
		Assume,         // IRSA006
		PodAnnotations, // IRSA007
		Statements,     // IRSA008
		Notifications,  // IRSA009
	}
}
