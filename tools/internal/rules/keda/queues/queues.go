// Package queues holds the rules on KEDA's triggers that read an SQS queue.
package queues

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Regions,  // KEDA006
		Names,    // KEDA007
		Length,   // KEDA008
		InFlight, // KEDA012
		Delayed,  // KEDA015
	}
}
