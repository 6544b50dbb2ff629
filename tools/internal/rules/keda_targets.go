package rules

import (
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/graph"
	"github.com/mystique-unicorn/sales-events/tools/internal/render"
)

// scaled is a ScaledObject with its workload, as far as they can be read.
type scaled struct {
	kedav1alpha1.ScaledObject
	object *render.Object
	target *graph.Workload
}

func (r *Run) scaledObjects() []scaled {
	var all []scaled
	for _, o := range r.Cluster.Of(kedaGroup, "ScaledObject") {
		s := scaled{object: o}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s.ScaledObject); err != nil {
			continue // the schema says why
		}
		if target := r.targetOf(s); target != nil {
			if w, ok := graph.WorkloadOf(target); ok {
				s.target = &w
			}
		}
		all = append(all, s)
	}
	return all
}

// targetKind is the group and kind that a ScaledObject scales; KEDA's default
// is a Deployment.
func (s scaled) targetKind() (group, kind string) {
	if s.Spec.ScaleTargetRef == nil {
		return "apps", "Deployment"
	}
	group, kind = "apps", "Deployment"
	if version := s.Spec.ScaleTargetRef.APIVersion; version != "" {
		group, _, _ = strings.Cut(version, "/")
	}
	if s.Spec.ScaleTargetRef.Kind != "" {
		kind = s.Spec.ScaleTargetRef.Kind
	}
	return group, kind
}

func (r *Run) targetOf(s scaled) *render.Object {
	if s.Spec.ScaleTargetRef == nil {
		return nil
	}
	group, kind := s.targetKind()
	return r.Cluster.Find(s.object, group, kind, s.GetNamespace(), s.Spec.ScaleTargetRef.Name)
}

// container is the index of the container whose environment KEDA reads.
func (s scaled) container() int {
	if s.target == nil || s.Spec.ScaleTargetRef.EnvSourceContainerName == "" {
		return 0
	}
	for i, container := range s.target.Template.Spec.Containers {
		if container.Name == s.Spec.ScaleTargetRef.EnvSourceContainerName {
			return i
		}
	}
	return 0
}

func checkReplicas(r *Run) {
	for _, s := range r.scaledObjects() {
		if s.target != nil && s.target.Replicas != nil {
			r.report(on(s.target.Object, "spec", "replicas"), "remove spec.replicas", "%s sets replicas: %d, but ScaledObject %s scales it", s.target.Key(), *s.target.Replicas, s.Name)
		}
	}
}

func checkTargets(r *Run) {
	masters := map[string]string{}
	for _, hpa := range r.Cluster.Of("autoscaling", "HorizontalPodAutoscaler") {
		kind, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "name")
		masters[graph.Target(hpa)+" "+hpa.GetNamespace()+"/"+kind+"/"+name] = "HorizontalPodAutoscaler " + hpa.GetName()
	}
	for _, s := range r.scaledObjects() {
		if s.Spec.ScaleTargetRef == nil {
			continue
		}
		group, kind := s.targetKind()
		name := s.Spec.ScaleTargetRef.Name
		place := on(s.object, "spec", "scaleTargetRef", "name")
		if r.targetOf(s) == nil && !r.elsewhere() {
			var names []string
			for _, o := range r.Cluster.Of(group, kind) {
				if o.GetNamespace() == s.Namespace {
					names = append(names, o.GetName())
				}
			}
			r.report(place, didYouMean(name, names, "name a workload of that namespace, with its apiVersion and kind"),
				"ScaledObject %s scales %s %s, which namespace %s does not have", s.Name, kind, name, s.Namespace)
			continue
		}
		target := graph.Target(s.object) + " " + s.Namespace + "/" + kind + "/" + name
		if master, taken := masters[target]; taken {
			r.report(place, "keep one of them; a ScaledObject takes several triggers", "%s %s is scaled by ScaledObject %s and by %s", kind, name, s.Name, master)
		}
		masters[target] = "ScaledObject " + s.Name
	}
}
