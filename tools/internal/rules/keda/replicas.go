package keda

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Replicas is rule KEDA001.
var Replicas = rule.Rule{
	ID: "KEDA001", Severity: findings.Error, Title: "scaled workload that sets replicas",
	Why: "Flux writes spec.replicas at every interval and the HorizontalPodAutoscaler writes it every 15 seconds: the " +
		"pods go up and down forever (https://github.com/kedacore/keda/issues/5572).",
	Example: "kind: Deployment\nspec:\n  replicas: 1",
	Fix:     "Remove spec.replicas: minReplicaCount of the ScaledObject sets the minimum.",
	Check:   checkReplicas,
}

func checkReplicas(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		if s.Pods == nil || s.Pods.Replicas == nil || !model.SetsReplicas(s.Pods.Object) {
			continue
		}
		severity := findings.Error
		if model.SetsAtUpgrades(s.Pods.Object) {
			severity = findings.Warning
		}
		r.ReportAs(severity, model.At(s.Pods.Object, "spec", "replicas"),
			"%s sets replicas: %d, but ScaledObject %s scales it", s.Pods.Key(), *s.Pods.Replicas, s.Name).
			Fix("remove spec.replicas")
	}
}
