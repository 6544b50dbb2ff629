package rules

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

func checkIntervals(r *Run) {
	for _, s := range r.scaledObjects() {
		minimum := s.GetHPAMinReplicas()
		if s.Spec.PollingInterval != nil && s.UsesHPAObservations() {
			r.report(on(s.object, "spec", "pollingInterval"), "remove it", "pollingInterval does not scale anything while minReplicaCount is %d", *minimum)
		}
		if s.Spec.CooldownPeriod != nil && !s.reachesZero() && s.Spec.IdleReplicaCount == nil {
			r.report(on(s.object, "spec", "cooldownPeriod"), "remove it", "cooldownPeriod has no effect while minReplicaCount is %d", *minimum)
		}
		if window, said := scaleDownWindow(s); said && s.reachesZero() && s.cooldown() < window {
			r.report(on(s.object, "spec", "cooldownPeriod"), fmt.Sprintf("make it at least %d", window),
				"after %d s without messages KEDA takes the last pods away, before the scale-down window of %d s ends", s.cooldown(), window)
		}
	}
}

// scaleDownWindow is the stabilization window of what a ScaledObject says about
// scaling down, if it says anything.
func scaleDownWindow(s scaled) (seconds int32, said bool) {
	behavior := s.hpaConfig().Behavior
	switch {
	case behavior == nil || behavior.ScaleDown == nil:
		return 0, false
	case behavior.ScaleDown.StabilizationWindowSeconds == nil:
		return 300, true // Kubernetes' default
	}
	return *behavior.ScaleDown.StabilizationWindowSeconds, true
}

func checkBounds(r *Run) {
	for _, s := range r.scaledObjects() {
		r.checkReplicaBounds(s)
		r.checkModifiers(s)
		r.checkNames(s)
		r.checkTolerance(s)
	}
	for _, s := range r.scalers() {
		if err := kedav1alpha1.ValidateTriggers(s.triggers); err != nil {
			r.report(on(s.object, "spec", "triggers"), "correct the triggers", "KEDA refuses %s: %v", s.object.Key(), err)
		}
	}
}

func (r *Run) checkReplicaBounds(s scaled) {
	if err := kedav1alpha1.CheckReplicaCountBoundsAreValid(&s.ScaledObject); err != nil {
		field := "minReplicaCount"
		if strings.HasPrefix(err.Error(), "Idle") {
			field = "idleReplicaCount"
		}
		r.report(on(s.object, "spec", field), "correct the bounds", "KEDA refuses ScaledObject %s: %v", s.Name, err)
	}
	if s.Spec.MaxReplicaCount == nil {
		r.warn(on(s.object, "spec"), "set maxReplicaCount to what the nodes and AWS can bear", "ScaledObject %s has no maxReplicaCount: up to 100 pods start", s.Name)
	}
	asks := slices.ContainsFunc(s.triggers, func(t kedav1alpha1.ScaleTriggers) bool { return t.Type != "cpu" && t.Type != "memory" })
	// KEDA's webhook looks at these two kinds only.
	judged := slices.Contains([]string{"Deployment", "StatefulSet"}, s.targetReference().kind)
	if minimum := s.Spec.MinReplicaCount; judged && !asks && len(s.triggers) > 0 && (minimum == nil || *minimum == 0) {
		r.report(on(s.object, "spec", "minReplicaCount"), "set minReplicaCount, or add a trigger", "KEDA refuses ScaledObject %s: without pods there is no cpu or memory to scale on", s.Name)
	}
	if err := kedav1alpha1.CheckFallbackValid(&s.ScaledObject); err != nil {
		r.report(on(s.object, "spec", "fallback"), "correct the fallback", "KEDA refuses ScaledObject %s: %v", s.Name, err)
	}
}

func (r *Run) checkModifiers(s scaled) {
	if s.IsUsingModifiers() {
		// KEDA rewrites the formula that it is given.
		if _, err := kedav1alpha1.ValidateAndCompileScalingModifiers(s.DeepCopy()); err != nil {
			message := strings.Join(strings.Fields(err.Error()), " ") // it has several lines
			r.report(on(s.object, "spec", "advanced", "scalingModifiers"), "correct the formula and its target", "KEDA refuses ScaledObject %s: %s", s.Name, message)
		}
	} else if s.FallbackScalingModifiers() {
		r.report(on(s.object, "spec", "fallback", "behavior"), "add scalingModifiers with a formula, or take another behavior", "the fallback of ScaledObject %s is a formula that it does not have", s.Name)
	}
}

// checkNames: both names become labels.
func (r *Run) checkNames(s scaled) {
	const limit = validation.LabelValueMaxLength
	switch hpa := s.hpaName(); {
	case len(s.Name) > limit:
		r.report(on(s.object, "metadata", "name"), "shorten it", "the name has %d characters; at most %d fit into a label", len(s.Name), limit)
	case len(hpa) > limit && s.hpaConfig().Name != "":
		r.report(on(s.object, "spec", "advanced", "horizontalPodAutoscalerConfig", "name"), "shorten it", "the name has %d characters; at most %d fit into a label", len(hpa), limit)
	case len(hpa) > limit:
		r.report(on(s.object, "metadata", "name"), "shorten it, or set spec.advanced.horizontalPodAutoscalerConfig.name",
			"the HorizontalPodAutoscaler's name, %s, has %d characters; at most %d fit into a label", hpa, len(hpa), limit)
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
		asks := slices.ContainsFunc(s.triggers, func(t kedav1alpha1.ScaleTriggers) bool {
			return t.Type != "cpu" && t.Type != "memory" && t.Type != "cron"
		})
		if s.Spec.Fallback == nil && asks {
			r.report(on(s.object, "spec"), "set fallback", "ScaledObject %s has no fallback: while its trigger cannot be read the number of pods freezes", s.Name)
		}
	}
	for _, t := range r.sqsTriggers() {
		if t.pods == nil || t.flag("scaleOnInFlight", true) || !t.reachesZero() {
			continue
		}
		cooldown := time.Duration(t.cooldown()) * time.Second
		if settings, known := r.consumerSettings(*t.pods); known && settings.ProcessDelay > cooldown {
			r.report(t.at("scaleOnInFlight"), "remove it, or set minReplicaCount", "messages in flight do not count: KEDA takes the last pods away after %s, and a batch takes %s", cooldown, settings.ProcessDelay)
		}
	}
}

var (
	kedaModule  = "github.com/kedacore/keda/v2"
	kedaImage   = regexp.MustCompile(`(^|/)kedacore/keda(-metrics-apiserver|-admission-webhooks)?$`)
	kedaSource  = regexp.MustCompile(`[/:]kedacore/keda(\.git)?/?$`)
	kedaVersion = regexp.MustCompile(`^v?2\.(17\.0|20\.0|20\.1)$`)
)

func checkKEDAVersion(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		for i, container := range w.Template.Spec.Containers {
			name, tag := splitImage(container.Image)
			if !kedaImage.MatchString(name) {
				continue
			}
			place := on(w.Object, w.Field("containers", i, "image")...)
			if kedaVersion.MatchString(tag) {
				r.report(place, "take the next patch release", "KEDA %s has known regressions", tag)
			}
			if path.Base(name) == "keda" { // the operator: once is enough
				r.checkKubernetes(place, tag)
			}
		}
	}
	for _, o := range r.sources() {
		url, _, _ := unstructured.NestedString(o.Object, "spec", "url")
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if (kedaSource.MatchString(url) || r.mirrors(url, kedaModule)) && kedaVersion.MatchString(tag) {
			r.report(on(o, "spec", "ref", "tag"), "take the next patch release", "KEDA %s has known regressions", tag)
		}
	}
}

// mirrors tells whether the configuration says that a source is a module.
func (r *Run) mirrors(url, module string) bool {
	for _, source := range r.Config.Sources {
		if source.URL == url && source.Module == module {
			return true
		}
	}
	return false
}
