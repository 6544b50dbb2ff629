package flux

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Namespaces is rule FLX005.
var Namespaces = rule.Rule{
	ID: "FLX005", Severity: findings.Error, Title: "namespace that is missing or comes too late",
	Why: "A namespaced object without a namespace lands in `default` or fails. If nothing creates its namespace, the " +
		"Kustomization fails until a person helps. The same happens if only something that waits for this Kustomization " +
		"creates it (https://fluxcd.io/flux/components/kustomize/kustomizations/#dependencies). If an independent " +
		"Kustomization creates it, a later retry succeeds, and it is a warning.",
	Example: "kind: ServiceAccount\nmetadata:\n  name: consumer # no namespace",
	Fix:     "Set the namespace, and apply the Namespace in the same Kustomization or in one that this one depends on.",
	Check:   checkNamespaces,
}

func checkNamespaces(r *rule.Pass) {
	missing, root := map[string]bool{}, r.Cluster.Kustomizations()[0]
	for _, o := range r.Cluster.All() {
		if kind, known := r.Cluster.Catalog.Lookup(o.GroupVersionKind()); !known || !kind.Namespaced() {
			continue
		}
		name := o.GetNamespace()
		if name == "" {
			r.Report(model.At(o, "metadata"),
				"%s has no namespace: Flux refuses it or puts it into `default`", o.Key()).
				Fix("set metadata.namespace, or `namespace` in its kustomization.yaml")
			continue
		}
		if model.IsProvided(name) || name == root.Namespace || missing[o.Owner.String()+name] {
			continue
		}
		namespace := r.Cluster.Find(o, "", "Namespace", "", name)
		switch {
		case namespace == nil && (r.Cluster.MakesNamespace(name) || !r.Cluster.Complete(model.Namespaces.For(o))):
		case namespace == nil:
			missing[o.Owner.String()+name] = true
			var names []string
			for _, n := range r.Cluster.Of("", "Namespace") {
				names = append(names, n.GetName())
			}
			r.Report(model.At(o, "metadata", "namespace"),
				"namespace %s of %s is created by nothing in this cluster", name, o.Key()).
				Fix(rule.DidYouMean(name, names, "add the Namespace to "+o.Owner.String()))
		case namespace.Owner != o.Owner && !waits(r.Cluster, o.Owner, namespace.Owner) && r.Cluster.Complete(model.AppliedBefore(o.Owner).For(o)):
			missing[o.Owner.String()+name] = true
			reportLate(r, o, namespace)
		}
	}
}

// reportLate reports a namespace that is applied too late. kustomize-controller succeeds
// after its retry interval. helm-controller gives up after a failed installation.
func reportLate(r *rule.Pass, o, namespace *render.Object) {
	severity, order := findings.Warning, "which %s does not wait for: it fails until that is done"
	switch {
	case waits(r.Cluster, namespace.Owner, o.Owner):
		severity, order = findings.Error, "which itself waits for %s: both wait forever"
	case o.Owner.Release != nil:
		severity, order = findings.Error, "which %s does not wait for"
	}
	r.ReportAs(severity, model.At(o, "metadata", "namespace"), "namespace %s of %s is created by %s, "+order,
		o.GetNamespace(), o.Key(), namespace.Owner, o.Owner).Fix(dependOn(r.Cluster, o.Owner, namespace.Owner, "Namespace"))
}
