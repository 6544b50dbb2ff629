// Package schema has the rules about single objects: an unknown kind, or a shape that the
// API server rejects.
package schema

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Kinds,  // SCH001
		Shapes, // SCH002
	}
}
