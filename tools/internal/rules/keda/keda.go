// Package keda has the rules about what KEDA scales, and with which identity. Those about
// triggers for SQS queues are in package queues.
package keda

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"

// Rules returns the rules of the family, in the order of their ids.
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
