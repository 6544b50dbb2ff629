package rules

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// otherPolicies are groups whose kinds restrict the network in other ways.
var otherPolicies = []string{"cilium.io", "crd.projectcalico.org", "projectcalico.org", "policy.networking.k8s.io", "crd.antrea.io"}

func checkNetworkPolicies(r *Run) {
	if r.elsewhere() || r.othersRestrict() {
		return
	}
	said := map[string]bool{}
	for _, w := range r.Cluster.Workloads() {
		namespace := w.GetNamespace()
		if w.Template.Spec.HostNetwork || namespace == metav1.NamespaceSystem || said[model.Target(w.Object)+"/"+namespace] {
			continue
		}
		policies := r.beside(w.Object, networkingv1.GroupName, "NetworkPolicy")
		object := r.Cluster.Find(w.Object, "", "Namespace", "", namespace)
		switch {
		case slices.ContainsFunc(policies, func(o *render.Object) bool { return selectsPods(o, w, "spec", "podSelector") }):
		case len(policies) == 0 && object != nil:
			r.report(on(object, "metadata", "name"), "add a NetworkPolicy for its pods", "namespace %s runs %s and has no NetworkPolicy", namespace, w.Key())
			said[model.Target(w.Object)+"/"+namespace] = true
		default:
			r.report(on(w.Object, append(slices.Clone(w.Path), "metadata", "labels")...), "add a NetworkPolicy that selects them", "no NetworkPolicy of namespace %s selects the pods of %s", namespace, w.Key())
		}
	}
}

func (r *Run) othersRestrict() bool {
	return slices.ContainsFunc(r.Cluster.All(), func(o *render.Object) bool {
		return slices.Contains(otherPolicies, o.GroupVersionKind().Group)
	})
}

// beside lists the objects of a kind in the namespace of another object.
func (r *Run) beside(object *render.Object, group, kind string) []*render.Object {
	var found []*render.Object
	for _, o := range r.Cluster.Of(group, kind) {
		if o.GetNamespace() == object.GetNamespace() && model.Target(o) == model.Target(object) {
			found = append(found, o)
		}
	}
	return found
}

// selectsPods tells whether the label selector in a field of an object matches a
// workload's pods. An empty one matches all.
func selectsPods(o *render.Object, w model.Workload, field ...string) bool {
	var selector metav1.LabelSelector
	content, _, _ := unstructured.NestedMap(o.Object, field...)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &selector); err != nil {
		return true // the schema says why
	}
	compiled, err := metav1.LabelSelectorAsSelector(&selector)
	return err != nil || compiled.Matches(labels.Set(w.Template.Labels))
}

func checkDisruptionBudgets(r *Run) {
	for _, o := range r.Cluster.Of(policyv1.GroupName, "PodDisruptionBudget") {
		var budget policyv1.PodDisruptionBudget
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &budget); err != nil {
			continue // the schema says why
		}
		var selected []model.Workload
		for _, w := range r.Cluster.Workloads() {
			beside := w.GetNamespace() == o.GetNamespace() && model.Target(w.Object) == model.Target(o)
			// Unlike an empty selector, none at all selects nothing.
			if beside && budget.Spec.Selector != nil && selectsPods(o, w, "spec", "selector") {
				selected = append(selected, w)
			}
		}
		switch {
		case len(selected) > 0:
			r.checkBudget(o, budget, selected)
		case !r.elsewhere():
			r.report(onSelector(o, "spec", "selector", "matchLabels"), "select the labels of the pods", "%s selects no pods: it protects nothing", o.Key())
		}
	}
}

func (r *Run) checkBudget(o *render.Object, budget policyv1.PodDisruptionBudget, selected []model.Workload) {
	if most := budget.Spec.MaxUnavailable; most != nil {
		if n, err := intstr.GetScaledValueFromIntOrPercent(most, 100, true); err == nil && n == 0 {
			r.report(on(o, "spec", "maxUnavailable"), "allow one", "%s never allows an eviction: no node with its pods can be drained", o.Key())
		}
		return
	}
	pods := 0
	for _, w := range selected {
		n, known := r.leastPods(w)
		if !known {
			return
		}
		pods += n
	}
	least := budget.Spec.MinAvailable
	if least == nil || pods == 0 {
		return
	}
	if n, err := intstr.GetScaledValueFromIntOrPercent(least, pods, true); err == nil && n >= pods {
		r.report(on(o, "spec", "minAvailable"), "use maxUnavailable: 1, or run more pods", "%s wants %s available where %s: no node with them can be drained", o.Key(), least, countOf(pods))
	}
}

func countOf(pods int) string {
	if pods == 1 {
		return "1 pod runs"
	}
	return fmt.Sprintf("%d pods run", pods)
}

// leastPods is how many pods of a workload run in a quiet hour: what its
// autoscaler says, else its replicas. The number of a DaemonSet is that of the
// nodes.
func (r *Run) leastPods(w model.Workload) (pods int, known bool) {
	if !slices.Contains([]string{"Deployment", "StatefulSet", "ReplicaSet"}, w.GetKind()) {
		return 0, false
	}
	for _, s := range r.scaledObjects() {
		if s.pods != nil && s.pods.Object == w.Object {
			return int(*s.GetHPAMinReplicas()), true
		}
	}
	for _, hpa := range r.beside(w.Object, "autoscaling", "HorizontalPodAutoscaler") {
		kind, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "name")
		if kind == w.GetKind() && name == w.GetName() {
			minimum, said, _ := unstructured.NestedInt64(hpa.Object, "spec", "minReplicas")
			if !said {
				minimum = 1
			}
			return int(minimum), true
		}
	}
	if w.Replicas == nil {
		return 1, true
	}
	return int(*w.Replicas), true
}
