package keda

import (
	"slices"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// FromZero is rule KEDA017.
var FromZero = rule.Rule{
	ID: "KEDA017", Severity: findings.Warning, Title: "fallback that starts nothing",
	Why: "A fallback only tells the HorizontalPodAutoscaler how many pods to run, and the HorizontalPodAutoscaler is off while " +
		"there are no pods (https://github.com/kedacore/keda/issues/7239, https://github.com/kedacore/keda/issues/5525). A " +
		"workload that was scaled to zero stays there while its trigger cannot be read, whatever its fallback says.",
	Example: "minReplicaCount: 0\nfallback: {failureThreshold: 3, replicas: 5}",
	Fix:     "Set minReplicaCount: 1 if the fallback must work.",
	Check:   checkFromZero,
}

func checkFromZero(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		always := slices.ContainsFunc(s.Triggers, func(t kedav1alpha1.ScaleTriggers) bool {
			return t.Type == "cpu" || t.Type == "memory" || t.Type == "cron"
		})
		if fallback := s.Spec.Fallback; fallback != nil && fallback.Replicas > 0 && s.ReachesZero() && !always {
			r.Report(model.At(s.Object, "spec", "fallback"),
				"ScaledObject %s scales to zero, from where its fallback of %d starts nothing", s.Name, fallback.Replicas).
				Fix("set minReplicaCount: 1")
		}
	}
}
