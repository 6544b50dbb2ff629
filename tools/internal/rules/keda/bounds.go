package keda

import (
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Bounds is rule KEDA010.
var Bounds = rule.Rule{
	ID: "KEDA010", Severity: findings.Error, Title: "ScaledObject that KEDA refuses",
	Why: "KEDA's webhook refuses bounds that contradict each other, names that are too long for the HorizontalPodAutoscaler, " +
		"and formulas and fallbacks that cannot work. But it fails open: while it does not answer, the ScaledObject is " +
		"accepted and does not scale.",
	Example: "minReplicaCount: 10\nmaxReplicaCount: 5",
	Fix:     "Correct what the message names. Set maxReplicaCount, whose default is 100.",
	Check:   checkBounds,
}

func checkBounds(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		checkReplicaBounds(r, s)
		checkModifiers(r, s)
		checkNames(r, s)
		checkTolerance(r, s)
	}
	for _, s := range r.Cluster.Scalers() {
		if err := kedav1alpha1.ValidateTriggers(s.Triggers); err != nil {
			r.Report(model.At(s.Object, "spec", "triggers"), "KEDA refuses %s: %v", s.Object.Key(), err).
				Fix("correct the triggers")
		}
	}
}

func checkReplicaBounds(r *rule.Pass, s model.ScaledObject) {
	if err := kedav1alpha1.CheckReplicaCountBoundsAreValid(&s.ScaledObject); err != nil {
		field := "minReplicaCount"
		if strings.HasPrefix(err.Error(), "Idle") {
			field = "idleReplicaCount"
		}
		r.Report(model.At(s.Object, "spec", field), "KEDA refuses ScaledObject %s: %v", s.Name, err).
			Fix("correct the bounds")
	}
	// A cron trigger asks for exactly desiredReplicas.
	onlyCron := !s.IsUsingModifiers() && !slices.ContainsFunc(s.Triggers, func(t kedav1alpha1.ScaleTriggers) bool { return t.Type != "cron" })
	if s.Spec.MaxReplicaCount == nil && !onlyCron {
		r.Warn(model.At(s.Object, "spec"), "ScaledObject %s has no maxReplicaCount: up to 100 pods start", s.Name).
			Fix("set maxReplicaCount to what the nodes and AWS can bear")
	}
	asks := slices.ContainsFunc(s.Triggers, func(t kedav1alpha1.ScaleTriggers) bool { return t.Type != "cpu" && t.Type != "memory" })
	// KEDA's webhook checks only these two kinds.
	judged := slices.Contains([]string{"Deployment", "StatefulSet"}, s.TargetPlace().Key.Kind)
	if minimum := s.Spec.MinReplicaCount; judged && !asks && len(s.Triggers) > 0 && (minimum == nil || *minimum == 0) {
		r.Report(model.At(s.Object, "spec", "minReplicaCount"),
			"KEDA refuses ScaledObject %s: without pods there is no cpu or memory to scale on", s.Name).
			Fix("set minReplicaCount, or add a trigger")
	}
	if err := kedav1alpha1.CheckFallbackValid(&s.ScaledObject); err != nil {
		r.Report(model.At(s.Object, "spec", "fallback"), "KEDA refuses ScaledObject %s: %v", s.Name, err).
			Fix("correct the fallback")
	}
}

func checkModifiers(r *rule.Pass, s model.ScaledObject) {
	if s.IsUsingModifiers() {
		// KEDA changes the formula that it is given.
		if _, err := kedav1alpha1.ValidateAndCompileScalingModifiers(s.DeepCopy()); err != nil {
			message := strings.Join(strings.Fields(err.Error()), " ") // the error has several lines
			r.Report(model.At(s.Object, "spec", "advanced", "scalingModifiers"),
				"KEDA refuses ScaledObject %s: %s", s.Name, message).
				Fix("correct the formula and its target")
		}
	} else if s.FallbackScalingModifiers() {
		r.Report(model.At(s.Object, "spec", "fallback", "behavior"),
			"the fallback of ScaledObject %s is a formula that it does not have", s.Name).
			Fix("add scalingModifiers with a formula, or use another behavior")
	}
}

// checkNames checks the lengths of two names, because both become labels.
func checkNames(r *rule.Pass, s model.ScaledObject) {
	const limit = validation.LabelValueMaxLength
	switch hpa := s.HPAName(); {
	case len(s.Name) > limit:
		r.Report(model.At(s.Object, "metadata", "name"),
			"the name has %d characters; at most %d fit into a label", len(s.Name), limit).
			Fix("shorten it")
	case len(hpa) > limit && s.HPAConfig().Name != "":
		r.Report(model.At(s.Object, "spec", "advanced", "horizontalPodAutoscalerConfig", "name"),
			"the name has %d characters; at most %d fit into a label", len(hpa), limit).
			Fix("shorten it")
	case len(hpa) > limit:
		r.Report(model.At(s.Object, "metadata", "name"),
			"the HorizontalPodAutoscaler's name, %s, has %d characters; at most %d fit into a label", hpa, len(hpa), limit).
			Fix("shorten it, or set spec.advanced.horizontalPodAutoscalerConfig.name")
	}
}

// checkTolerance reports a misplaced tolerance: it belongs in scaleUp and scaleDown.
func checkTolerance(r *rule.Pass, s model.ScaledObject) {
	for _, direction := range []string{"scaleUp", "scaleDown"} {
		path := []string{"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", direction, "policies"}
		policies, _, _ := unstructured.NestedSlice(s.Object.Object, path...)
		for i, policy := range policies {
			if mapping, ok := policy.(map[string]any); ok && mapping["tolerance"] != nil {
				field := []any{"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", direction, "policies", i, "tolerance"}
				r.Report(model.At(s.Object, field...), "tolerance is a field of %s, not of a policy", direction).
					Fix("move it up, beside policies")
			}
		}
	}
}
