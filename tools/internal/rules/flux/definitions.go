package flux

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Definitions is rule FLX004.
var Definitions = rule.Rule{
	ID: "FLX004", Severity: findings.Error, Title: "custom resource before its definition",
	Why: "Flux dry-runs every object before it applies any. If another Kustomization applies the CustomResourceDefinition, the " +
		"custom resource fails until that Kustomization is done. On a new cluster both may wait for each other " +
		"(https://github.com/fluxcd/kustomize-controller/issues/1194). Definitions in the same Kustomization are fine: Flux " +
		"applies them first and waits for them.",
	Example: "# keda applies ScaledObject's definition, this one does not depend on it\nkind: Kustomization\nmetadata:\n  name: consumer",
	Fix:     "Add a dependsOn for the Kustomization that applies the definition, or for one that waits for it.",
	Check:   checkDefinitions,
}

func checkDefinitions(r *rule.Pass) {
	// Each API server has its own definitions.
	type defined struct{ target, kind string }
	definitions := map[defined]*render.Object{}
	for _, definition := range slices.Concat(
		r.Cluster.Of("apiextensions.k8s.io", "CustomResourceDefinition"),
		r.Cluster.Of(model.CrossplaneGroup, "CompositeResourceDefinition"),
	) {
		definitions[defined{model.Target(definition), definedKind(definition)}] = definition
	}
	reported := map[string]bool{}
	for _, o := range r.Cluster.All() {
		kind := o.GroupVersionKind().GroupKind()
		definition := definitions[defined{model.Target(o), kind.Kind + "." + kind.Group}]
		if definition == nil {
			continue
		}
		first, then := definition.Owner, o.Owner
		// Flux applies definitions in a stage of their own: a parent's are there before
		// the parent applies its children.
		stands := first == then || r.Cluster.Precedes(first, then) || model.Ancestor(first, then) && isCRD(definition)
		if stands || !r.Cluster.Complete(model.AppliedBefore(then).For(o)) {
			continue
		}
		if once := then.String() + kind.String(); !reported[once] {
			reported[once] = true
			r.Report(model.At(o, "kind"),
				"%s is a %s, whose definition %s applies; %s does not wait for it", o.Key(), kind.Kind, first, then).
				Fix(dependOn(r.Cluster, then, first, "definition"))
		}
	}
}

func isCRD(o *render.Object) bool { return o.GetKind() == "CustomResourceDefinition" }

func definedKind(definition *render.Object) string {
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	return kind + "." + group
}
