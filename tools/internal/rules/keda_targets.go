package rules

import (
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

func checkReplicas(r *Run) {
	for _, s := range r.scaledObjects() {
		if s.pods == nil || s.pods.Replicas == nil || !keepsReplicas(s.pods.Object) {
			continue
		}
		place, say := on(s.pods.Object, "spec", "replicas"), r.report
		if release := s.pods.Owner.Release; release != nil && !correctsReplicas(release) {
			say = r.warn // at each upgrade only
		}
		say(place, "remove spec.replicas", "%s sets replicas: %d, but ScaledObject %s scales it", s.pods.Key(), *s.pods.Replicas, s.Name)
	}
}

// correctsReplicas tells whether Flux sets the replicas of a release's objects
// between upgrades, too.
func correctsReplicas(release *helmv2.HelmRelease) bool {
	drift := release.GetDriftDetection()
	return drift.GetMode() == helmv2.DriftDetectionEnabled && !slices.ContainsFunc(drift.Ignore, func(rule helmv2.IgnoreRule) bool {
		return slices.Contains(rule.Paths, "/spec/replicas")
	})
}

// keepsReplicas tells whether Flux writes an object's spec.replicas again and
// again. A rule of spec.ignore counts whatever its target is.
func keepsReplicas(o *render.Object) bool {
	prefix := kustomizev1.GroupVersion.Group + "/"
	switch annotations := o.GetAnnotations(); {
	case annotations[prefix+"ssa"] == kustomizev1.IfNotPresentValue, annotations[prefix+"ssa"] == kustomizev1.IgnoreValue:
		return false
	case annotations[prefix+"reconcile"] == kustomizev1.DisabledValue:
		return false
	}
	return !slices.ContainsFunc(o.Owner.Spec.Ignore, func(rule kustomizev1.IgnoreRule) bool {
		return slices.Contains(rule.Paths, "/spec/replicas")
	})
}

// reference is an object as scaleTargetRef names it, without its version.
type reference struct{ server, namespace, group, kind, name string }

// targetReference is what a ScaledObject scales; KEDA's default is a
// Deployment.
func (s scaled) targetReference() reference {
	ref := s.Spec.ScaleTargetRef
	target := reference{model.Target(s.object), s.Namespace, "apps", "Deployment", ref.Name}
	if ref.APIVersion != "" {
		target.group = groupOf(ref.APIVersion)
	}
	if ref.Kind != "" {
		target.kind = ref.Kind
	}
	return target
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return "" // v1
	}
	return group
}

func (r *Run) targetOf(s scaled) *render.Object {
	target := s.targetReference()
	return r.Cluster.Find(s.object, target.group, target.kind, target.namespace, target.name)
}

func checkTargets(r *Run) {
	for _, s := range r.scaledObjects() {
		r.checkTargetExists(s)
	}
	masters := r.autoscaled()
	for _, s := range r.scaledObjects() {
		target, hpa := s.targetReference(), s.hpaReference()
		for _, claimed := range []reference{target, hpa} {
			master := masters[claimed]
			switch {
			case master == nil:
				masters[claimed] = s.object
			case master.Key() != s.object.Key() && !s.takesOver(master):
				r.report(on(s.object, "spec", "scaleTargetRef", "name"), "keep one of them; a ScaledObject takes several triggers",
					"%s %s of ScaledObject %s belongs to %s too", claimed.kind, claimed.name, s.Name, master.Key())
			}
		}
	}
}

func (r *Run) checkTargetExists(s scaled) {
	if r.targetOf(s) != nil || r.elsewhere() {
		return
	}
	target := s.targetReference()
	var names []string
	for _, o := range r.Cluster.Of(target.group, target.kind) {
		if o.GetNamespace() == s.Namespace {
			names = append(names, o.GetName())
		}
	}
	r.report(on(s.object, "spec", "scaleTargetRef", "name"), didYouMean(target.name, names, "name a workload of that namespace, with its apiVersion and kind"),
		"ScaledObject %s scales %s %s, which namespace %s does not have", s.Name, target.kind, target.name, s.Namespace)
}

// autoscaled are the targets of the HorizontalPodAutoscalers in the repository,
// without those that KEDA is told to overlook.
func (r *Run) autoscaled() map[reference]*render.Object {
	masters := map[reference]*render.Object{}
	for _, hpa := range r.Cluster.Of("autoscaling", "HorizontalPodAutoscaler") {
		if hpa.GetAnnotations()[kedav1alpha1.ValidationsHpaOwnershipAnnotation] == "false" {
			continue
		}
		target, _, _ := unstructured.NestedMap(hpa.Object, "spec", "scaleTargetRef")
		field := func(name string) string { text, _ := target[name].(string); return text }
		masters[reference{model.Target(hpa), hpa.GetNamespace(), groupOf(field("apiVersion")), field("kind"), field("name")}] = hpa
	}
	return masters
}

// takesOver tells whether a ScaledObject says that the HorizontalPodAutoscaler
// becomes its own.
func (s scaled) takesOver(master *render.Object) bool {
	return master.GetKind() == "HorizontalPodAutoscaler" &&
		s.Annotations[kedav1alpha1.ScaledObjectTransferHpaOwnershipAnnotation] == "true" && s.hpaName() == master.GetName()
}

func (s scaled) hpaReference() reference {
	return reference{model.Target(s.object), s.Namespace, "autoscaling", "HorizontalPodAutoscaler", s.hpaName()}
}

// hpaName names the HorizontalPodAutoscaler that KEDA creates.
func (s scaled) hpaName() string {
	if name := s.hpaConfig().Name; name != "" {
		return name
	}
	return "keda-hpa-" + s.Name
}

// hpaConfig is what a ScaledObject says of its HorizontalPodAutoscaler.
func (s scaled) hpaConfig() kedav1alpha1.HorizontalPodAutoscalerConfig {
	if s.Spec.Advanced == nil || s.Spec.Advanced.HorizontalPodAutoscalerConfig == nil {
		return kedav1alpha1.HorizontalPodAutoscalerConfig{}
	}
	return *s.Spec.Advanced.HorizontalPodAutoscalerConfig
}
