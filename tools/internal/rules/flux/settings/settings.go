// Package settings holds the rules on what an object of Flux says of itself: what it
// waits for and how long, which version it takes, what it patches and updates.
package settings

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Suspended,         // FLX013
		Timeouts,          // FLX014
		Ranges,            // FLX015
		Markers,           // FLX016
		InstancePatches,   // FLX017
		RenamedNamespaces, // FLX018
		UnreadValues,      // FLX019
	}
}
