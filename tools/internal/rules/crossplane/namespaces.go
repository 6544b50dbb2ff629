package crossplane

import (
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Namespaces is rule XP009.
var Namespaces = rule.Rule{
	ID: "XP009", Severity: findings.Warning, Title: "namespace whose deletion deletes composite resources",
	Why: "Whoever deletes a namespace deletes everything in it: the composite resources, what they composed in the cloud, and " +
		"the Usages, which protect each resource only from being deleted alone. A ClusterUsage refuses to delete the namespace " +
		"(https://docs.crossplane.io/latest/managed-resources/usages/). The rule does not judge clusters whose facts say " +
		"ENVIRONMENT: local.",
	Example: "kind: Namespace\nmetadata:\n  name: production # with an EventQueue in it, and no ClusterUsage of it",
	Fix:     "Add a ClusterUsage of the Namespace, with a reason.",
	Check:   checkNamespaces,
}

func checkNamespaces(r *rule.Pass) {
	usages := usages(r)
	for _, namespace := range r.Cluster.Of("", "Namespace") {
		holds := compositeIn(r, namespace)
		used := slices.ContainsFunc(usages, func(usage *render.Object) bool { return protects(usage, namespace) })
		if holds != nil && !used && !r.Cluster.IsLocal(namespace) && r.Cluster.Complete(model.CrossplaneObjects.For(namespace)) {
			r.Report(model.At(namespace, "metadata", "name"),
				"deleting %s deletes %s with it, and everything that it composes", namespace.Key(), holds.Key()).
				Fix("add a ClusterUsage of the namespace")
		}
	}
}

// compositeIn returns the first composite resource in a namespace whose composed
// resources would be deleted with it, or nil.
func compositeIn(r *rule.Pass, namespace *render.Object) *render.Object {
	for _, o := range r.Cluster.Composed() {
		if !model.IsManaged(o) || o.Composite.GetNamespace() != namespace.GetName() || model.Target(o) != model.Target(namespace) {
			continue
		}
		if _, deletes := model.DeletesExternal(o); deletes {
			return o.Composite
		}
	}
	return nil
}
