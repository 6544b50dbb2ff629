package keda

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Intervals is rule KEDA009.
var Intervals = rule.Rule{
	ID: "KEDA009", Severity: findings.Warning, Title: "interval without effect",
	Why: "With minReplicaCount above zero the HorizontalPodAutoscaler asks for the metric itself: pollingInterval and " +
		"cooldownPeriod have no effect. With a minimum of zero the cooldown removes the last pods, whatever the scaleDown " +
		"policies say.",
	Example: "minReplicaCount: 1\npollingInterval: 10",
	Fix:     "Remove it, or make the cooldown at least as long as the scale-down window.",
	Check:   checkIntervals,
}

func checkIntervals(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		minimum := s.GetHPAMinReplicas()
		if s.Spec.PollingInterval != nil && s.UsesHPAObservations() {
			r.Report(model.At(s.Object, "spec", "pollingInterval"),
				"pollingInterval does not scale anything while minReplicaCount is %d", *minimum).
				Fix("remove it")
		}
		if s.Spec.CooldownPeriod != nil && !s.ReachesZero() && s.Spec.IdleReplicaCount == nil {
			r.Report(model.At(s.Object, "spec", "cooldownPeriod"),
				"cooldownPeriod has no effect while minReplicaCount is %d", *minimum).
				Fix("remove it")
		}
		if window, said := scaleDownWindow(s); said && s.ReachesZero() && s.Cooldown() < window {
			r.Report(model.At(s.Object, "spec", "cooldownPeriod"),
				"after %d s without messages KEDA removes the last pods, before the scale-down window of %d s ends", s.Cooldown(), window).
				Fix(fmt.Sprintf("make it at least %d", window))
		}
	}
}

// scaleDownWindow returns the stabilization window of a ScaledObject's scaleDown, if it
// has one.
func scaleDownWindow(s model.ScaledObject) (seconds int32, said bool) {
	behavior := s.HPAConfig().Behavior
	switch {
	case behavior == nil || behavior.ScaleDown == nil:
		return 0, false
	case behavior.ScaleDown.StabilizationWindowSeconds == nil:
		return 300, true // Kubernetes' default
	}
	return *behavior.ScaleDown.StabilizationWindowSeconds, true
}
