// Package queues has the rules about KEDA's triggers for SQS queues.
package queues

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Regions,  // KEDA006
		Names,    // KEDA007
		Length,   // KEDA008
		InFlight, // KEDA012
		Delayed,  // KEDA015
	}
}
