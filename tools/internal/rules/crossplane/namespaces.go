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
	ID: "XP009", Severity: findings.Warning, Title: "namespace that takes composite resources with it",
	Why: "Who deletes a namespace deletes everything in it: the composite resources, what they are composed of in the cloud, " +
		"and the Usages that protect each of them from everything but that. A ClusterUsage refuses to delete the namespace " +
		"(https://docs.crossplane.io/latest/managed-resources/usages/). Clusters whose facts say ENVIRONMENT: local are not judged.",
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
				"who deletes %s deletes %s with it, and what that is composed of", namespace.Key(), holds.Key()).
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
