// Package settings has the rules about the settings of Flux's objects: what they wait for
// and how long, which versions they select, and what they patch and update.
package settings

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
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
