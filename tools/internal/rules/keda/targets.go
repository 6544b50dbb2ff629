package keda

import (
	"fmt"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Targets is rule KEDA002.
var Targets = rule.Rule{
	ID: "KEDA002", Severity: findings.Error, Title: "scale target that does not exist, or that two autoscalers scale",
	Why: "KEDA waits forever for a target that does not exist. Two autoscalers on one target undo each other's work " +
		"(https://github.com/kedacore/keda/issues/3083). A HorizontalPodAutoscaler that a ScaledObject takes over must leave " +
		"the repository (https://github.com/kedacore/keda/issues/6597); if it stays, both Flux and KEDA write it, which is a " +
		"warning.",
	Example: "scaleTargetRef:\n  name: consumr",
	Fix: "Name a workload in the ScaledObject's namespace, with apiVersion and kind unless it is a Deployment. Let only one " +
		"autoscaler scale it.",
	Check: checkTargets,
}

func checkTargets(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		checkTargetExists(r, s)
	}
	masters := autoscaled(r)
	for _, s := range r.Cluster.ScaledObjects() {
		for _, claimed := range []model.Place{s.TargetPlace(), hpaPlace(s)} {
			master := masters[claimed]
			switch {
			case master == nil:
				masters[claimed] = s.Object
			case takesOver(s, master) && model.SetsReplicas(master):
				r.Warn(model.At(master, "metadata", "name"),
					"ScaledObject %s takes over %s, which Flux still applies: both write its bounds and metrics again and again", s.Name, master.Key()).
					Fix("remove it from the repository, with the annotation " + model.PruneSwitch + ": disabled applied before")
			case master.Key() != s.Object.Key() && !takesOver(s, master):
				r.Report(model.At(s.Object, "spec", "scaleTargetRef", "name"),
					"%s %s of ScaledObject %s belongs to %s too", claimed.Key.Kind, claimed.Key.Name, s.Name, master.Key()).
					Fix("keep one of them; a ScaledObject can have several triggers")
			}
		}
	}
}

func checkTargetExists(r *rule.Pass, s model.ScaledObject) {
	if r.Cluster.TargetOf(s) != nil || !r.Cluster.Complete(model.ObjectsIn(s.Namespace).For(s.Object)) {
		return
	}
	target := s.TargetPlace().Key
	var names []string
	for _, o := range r.Cluster.Of(target.Group, target.Kind) {
		if o.GetNamespace() == s.Namespace {
			names = append(names, o.GetName())
		}
	}
	r.Report(model.At(s.Object, "spec", "scaleTargetRef", "name"),
		"ScaledObject %s scales %s %s, which namespace %s does not have", s.Name, target.Kind, target.Name, s.Namespace).
		Fix(suggestTarget(r, s, names))
}

// suggestTarget returns the fix for a missing target. The default kind is Deployment, and
// kustomize's prefixes do not change a ScaledObject's target
// (https://github.com/kubernetes-sigs/kustomize/issues/5306).
func suggestTarget(r *rule.Pass, s model.ScaledObject, names []string) string {
	target := s.TargetPlace().Key
	for _, w := range r.Cluster.Workloads() {
		beside := w.GetNamespace() == s.Namespace && model.Target(w.Object) == model.Target(s.Object)
		if beside && w.GetName() == target.Name && w.GetKind() != target.Kind {
			return fmt.Sprintf("%s is a %s: set kind, and apiVersion: %s", target.Name, w.GetKind(), w.GetAPIVersion())
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, target.Name+"-") || strings.HasSuffix(name, "-"+target.Name) {
			return fmt.Sprintf("did you mean %s? kustomize's prefixes and suffixes of names do not reach into a ScaledObject", name)
		}
	}
	return rule.DidYouMean(target.Name, names, "name a workload of that namespace, with its apiVersion and kind")
}

// autoscaled returns the targets of the repository's HorizontalPodAutoscalers, except
// those that KEDA is told to ignore.
func autoscaled(r *rule.Pass) map[model.Place]*render.Object {
	masters := map[model.Place]*render.Object{}
	for _, hpa := range r.Cluster.Of("autoscaling", "HorizontalPodAutoscaler") {
		if hpa.GetAnnotations()[kedav1alpha1.ValidationsHpaOwnershipAnnotation] == "false" {
			continue
		}
		target, _, _ := unstructured.NestedMap(hpa.Object, "spec", "scaleTargetRef")
		field := func(name string) string { text, _ := target[name].(string); return text }
		kind := schema.GroupKind{Group: model.GroupOf(field("apiVersion")), Kind: field("kind")}
		key := render.Key{GroupKind: kind, Namespace: hpa.GetNamespace(), Name: field("name")}
		masters[model.Place{Target: model.Target(hpa), Key: key}] = hpa
	}
	return masters
}

// takesOver reports whether a ScaledObject says that it takes over the
// HorizontalPodAutoscaler.
func takesOver(s model.ScaledObject, master *render.Object) bool {
	return master.GetKind() == "HorizontalPodAutoscaler" &&
		s.Annotations[kedav1alpha1.ScaledObjectTransferHpaOwnershipAnnotation] == "true" && s.HPAName() == master.GetName()
}

// hpaPlace returns the place of the HorizontalPodAutoscaler that KEDA creates.
func hpaPlace(s model.ScaledObject) model.Place {
	kind := schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	return model.Place{Target: model.Target(s.Object), Key: render.Key{GroupKind: kind, Namespace: s.Namespace, Name: s.HPAName()}}
}
