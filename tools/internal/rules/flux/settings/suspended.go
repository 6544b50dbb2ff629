package settings

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Suspended is rule FLX013.
var Suspended = rule.Rule{
	ID: "FLX013", Severity: findings.Warning, Title: "dependency that is suspended",
	Why: "A suspended Kustomization does not observe changes of its spec, its suspension included " +
		"(https://github.com/fluxcd/kustomize-controller/issues/1604). Whatever depends on it then reports \"dependency is not " +
		"ready\", and Flux applies nothing of it: on a new cluster for ever, on an existing one from the next change on.",
	Example: "kind: Kustomization\nmetadata:\n  name: infrastructure\nspec:\n  suspend: true # and apps depends on it",
	Fix:     "Resume it, or remove it from dependsOn while it is suspended.",
	Check:   checkSuspended,
}

func checkSuspended(r *rule.Pass) {
	for _, k := range slices.Concat(r.Cluster.Kustomizations(), r.Cluster.Releases()) {
		if k.Spec.Suspend {
			continue
		}
		kind := k.Key().GroupKind
		for i, dependency := range k.Spec.DependsOn {
			if k.Object == nil {
				continue
			}
			on := r.Cluster.Find(k.Object, kind.Group, kind.Kind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name)
			if on == nil {
				continue // rule FLX001 reports it
			}
			if suspended, _, _ := unstructured.NestedBool(on.Object, "spec", "suspend"); suspended {
				r.Report(model.At(k.Object, "spec", "dependsOn", i, "name"),
					"%s depends on %s, which is suspended and does not become ready", k, on.Key()).
					Fix("resume it, or remove the dependency")
			}
		}
	}
}
