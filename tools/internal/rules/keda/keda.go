// Package keda holds the rules on what KEDA scales, and as whom. Those on triggers
// that read an SQS queue are in package queues.
package keda

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Replicas,       // KEDA001
		Targets,        // KEDA002
		TriggerKeys,    // KEDA003
		Authentication, // KEDA004
		PodIdentity,    // KEDA005
		Intervals,      // KEDA009
		Bounds,         // KEDA010
		Fallback,       // KEDA011
		Versions,       // KEDA013
		Variables,      // KEDA014
		Kubernetes,     // KEDA016
		FromZero,       // KEDA017
		MetricsAPI,     // KEDA018
		Strategy,       // KEDA019
	}
}
