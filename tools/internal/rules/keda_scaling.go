package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func checkIntervals(r *Run) {
	for _, s := range r.scaledObjects() {
		cached := slices.ContainsFunc(s.Spec.Triggers, func(t kedav1alpha1.ScaleTriggers) bool { return t.UseCachedMetrics })
		if minimum := s.Spec.MinReplicaCount; minimum != nil && *minimum > 0 && s.Spec.IdleReplicaCount == nil {
			if s.Spec.PollingInterval != nil && !cached {
				r.report(on(s.object, "spec", "pollingInterval"), "remove it", "pollingInterval has no effect while minReplicaCount is %d", *minimum)
			}
			if s.Spec.CooldownPeriod != nil {
				r.report(on(s.object, "spec", "cooldownPeriod"), "remove it", "cooldownPeriod has no effect while minReplicaCount is %d", *minimum)
			}
			continue
		}
		window, found := scaleDownWindow(s)
		if cooldown := s.Spec.CooldownPeriod; cooldown != nil && found && *cooldown < window {
			r.report(on(s.object, "spec", "cooldownPeriod"), fmt.Sprintf("make it at least %d", window),
				"after %d s without messages KEDA takes the last pods away, before the scale-down window of %d s ends", *cooldown, window)
		}
	}
}

func scaleDownWindow(s scaled) (int32, bool) {
	if s.Spec.Advanced == nil || s.Spec.Advanced.HorizontalPodAutoscalerConfig == nil {
		return 0, false
	}
	behavior := s.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior
	if behavior == nil || behavior.ScaleDown == nil || behavior.ScaleDown.StabilizationWindowSeconds == nil {
		return 0, false
	}
	return *behavior.ScaleDown.StabilizationWindowSeconds, true
}

// maxName is what a ScaledObject's name may have, so that the HPA's, keda-hpa-
// and the name, is a label value.
const maxName = 63 - len("keda-hpa-")

func checkBounds(r *Run) {
	for _, s := range r.scaledObjects() {
		if err := kedav1alpha1.CheckReplicaCountBoundsAreValid(&s.ScaledObject); err != nil {
			field := "minReplicaCount"
			if strings.HasPrefix(err.Error(), "Idle") {
				field = "idleReplicaCount"
			}
			r.report(on(s.object, "spec", field), "correct the bounds", "KEDA refuses ScaledObject %s: %v", s.Name, err)
		}
		if err := kedav1alpha1.CheckFallbackValid(&s.ScaledObject); err != nil {
			r.report(on(s.object, "spec", "fallback"), "correct the fallback", "KEDA refuses ScaledObject %s: %v", s.Name, err)
		}
		if err := kedav1alpha1.ValidateTriggers(s.Spec.Triggers); err != nil {
			r.report(on(s.object, "spec", "triggers"), "correct the triggers", "KEDA refuses ScaledObject %s: %v", s.Name, err)
		}
		if s.Spec.MaxReplicaCount == nil {
			r.warn(on(s.object, "spec"), "set maxReplicaCount to what the nodes and AWS can bear", "ScaledObject %s has no maxReplicaCount: up to 100 pods start", s.Name)
		}
		named := s.Spec.Advanced != nil && s.Spec.Advanced.HorizontalPodAutoscalerConfig != nil && s.Spec.Advanced.HorizontalPodAutoscalerConfig.Name != ""
		if len(s.Name) > maxName && !named {
			r.report(on(s.object, "metadata", "name"), "shorten it, or set spec.advanced.horizontalPodAutoscalerConfig.name",
				"the name has %d characters; with keda-hpa- before it, at most %d fit into a label", len(s.Name), maxName)
		}
		r.checkTolerance(s)
	}
}

// checkTolerance: the field belongs to scaleUp and scaleDown.
func (r *Run) checkTolerance(s scaled) {
	for _, direction := range []string{"scaleUp", "scaleDown"} {
		path := []string{"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", direction, "policies"}
		policies, _, _ := unstructured.NestedSlice(s.object.Object, path...)
		for i, policy := range policies {
			if mapping, ok := policy.(map[string]any); ok && mapping["tolerance"] != nil {
				field := []any{"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", direction, "policies", i, "tolerance"}
				r.report(on(s.object, field...), "move it up, beside policies", "tolerance is a field of %s, not of a policy", direction)
			}
		}
	}
}

func checkFallback(r *Run) {
	for _, s := range r.scaledObjects() {
		depends := slices.ContainsFunc(s.Spec.Triggers, func(t kedav1alpha1.ScaleTriggers) bool {
			return t.Type != "cpu" && t.Type != "memory" && t.Type != "cron"
		})
		if s.Spec.Fallback == nil && depends {
			r.report(on(s.object, "spec"), "set fallback", "ScaledObject %s has no fallback: while its trigger cannot be read the number of pods freezes", s.Name)
		}
	}
	for _, t := range r.sqsTriggers() {
		minimum := t.Spec.MinReplicaCount
		if t.Metadata["scaleOnInFlight"] == "false" && (minimum == nil || *minimum == 0) {
			r.report(t.at("scaleOnInFlight"), "remove it, or set minReplicaCount", "messages in flight do not count, so that KEDA takes the last pods away while they work")
		}
	}
}

var brokenKEDA = regexp.MustCompile(`^v?2\.(17\.0|20\.0|20\.1)$`)

func checkKEDAVersion(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		for i, container := range w.Template.Spec.Containers {
			name, tag := splitImage(container.Image)
			if strings.Contains(name, "kedacore/keda") && brokenKEDA.MatchString(tag) {
				r.report(on(w.Object, w.Field("containers", i, "image")...), "take the next patch release", "KEDA %s has known regressions", tag)
			}
		}
	}
	for _, o := range r.sources() {
		url, _, _ := unstructured.NestedString(o.Object, "spec", "url")
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if strings.Contains(url, "kedacore/keda") && brokenKEDA.MatchString(tag) {
			r.report(on(o, "spec", "ref", "tag"), "take the next patch release", "KEDA %s has known regressions", tag)
		}
	}
}
