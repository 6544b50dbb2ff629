package pods

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Network is rule POD005.
var Network = rule.Rule{
	ID: "POD005", Severity: findings.Warning, Title: "pods that no NetworkPolicy selects",
	Why: "A pod that no NetworkPolicy selects may be called by every pod and may call everything " +
		"(https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation).",
	Example: "kind: Namespace # and no NetworkPolicy in it",
	Fix:     "Add a NetworkPolicy with an empty podSelector, and rules for the connections that the pods need.",
	Check:   checkNetworkPolicies,
}

// otherPolicies are API groups with other kinds of network policies.
var otherPolicies = []string{"cilium.io", "crd.projectcalico.org", "projectcalico.org", "policy.networking.k8s.io", "crd.antrea.io"}

func checkNetworkPolicies(r *rule.Pass) {
	if othersRestrict(r) {
		return
	}
	said := map[string]bool{}
	for _, w := range r.Cluster.Workloads() {
		namespace := w.GetNamespace()
		if w.Template.Spec.HostNetwork || namespace == metav1.NamespaceSystem || said[model.Target(w.Object)+"/"+namespace] ||
			!r.Cluster.Complete(model.ObjectsIn(namespace).For(w.Object)) {
			continue
		}
		policies := r.Cluster.Beside(w.Object, networkingv1.GroupName, "NetworkPolicy")
		object := r.Cluster.Find(w.Object, "", "Namespace", "", namespace)
		switch {
		case slices.ContainsFunc(policies, func(o *render.Object) bool { return w.SelectedBy(o, "spec", "podSelector") }):
		case len(policies) == 0 && object != nil:
			r.Report(model.At(object, "metadata", "name"),
				"namespace %s runs %s and has no NetworkPolicy", namespace, w.Key()).
				Fix("add a NetworkPolicy for its pods")
			said[model.Target(w.Object)+"/"+namespace] = true
		default:
			r.Report(w.TemplateAt("metadata", "labels"),
				"no NetworkPolicy of namespace %s selects the pods of %s", namespace, w.Key()).
				Fix("add a NetworkPolicy that selects them")
		}
	}
}

func othersRestrict(r *rule.Pass) bool {
	return slices.ContainsFunc(r.Cluster.All(), func(o *render.Object) bool {
		return slices.Contains(otherPolicies, o.GroupVersionKind().Group)
	})
}
