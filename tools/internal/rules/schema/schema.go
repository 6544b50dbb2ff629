// Package schema holds the rules on objects by themselves: what the API server
// refuses for their kind or their shape.
package schema

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Kinds,  // SCH001
		Shapes, // SCH002
	}
}
