package flux

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Dependencies is rule FLX001.
var Dependencies = rule.Rule{
	ID: "FLX001", Severity: findings.Error, Title: "dependsOn that never becomes ready",
	Why: "Flux does not apply a Kustomization or HelmRelease until everything in its dependsOn is ready. If it names itself, " +
		"an object that does not exist or one of another kind, or if dependencies form a cycle, it waits forever, without an " +
		"error that stands out.",
	Example: "spec:\n  dependsOn:\n    - name: infrastucture # misspelt",
	Fix:     "Name an object of the same kind in the same cluster, with its namespace if that differs.",
	Check:   checkDependencies,
}

func checkDependencies(r *rule.Pass) {
	for _, k := range slices.Concat(r.Cluster.Kustomizations(), r.Cluster.Releases()) {
		for i, reference := range k.Spec.DependsOn {
			place := model.At(k.Object, "spec", "dependsOn", i, "name")
			key := render.Key{GroupKind: k.Key().GroupKind, Namespace: cmp.Or(reference.Namespace, k.Namespace), Name: reference.Name}
			dependency := r.Cluster.Applier(key)
			switch {
			case dependency == k:
				r.Report(place, "%s depends on itself", k).Fix("remove it")
			case dependency == nil && r.Cluster.Get(key) == nil:
				fix, meant := suggestDependency(r, key)
				if !meant && !r.Cluster.Complete(model.FluxObjects.For(k.Object)) {
					continue
				}
				r.Report(place, "%s depends on %s %s/%s, which this cluster does not have", k, key.Kind, key.Namespace, key.Name).Fix(fix)
			case dependency == nil:
			case dependsOn(r.Cluster, dependency, k, nil):
				r.Report(place, "%s and %s depend on each other: neither starts", k, dependency).
					Fix("break the cycle: what both need goes into a third " + key.Kind)
			case model.Ancestor(k, dependency):
				r.Report(place, "%s depends on %s, which it applies itself", k, dependency).
					Fix("depend on a Kustomization that this one does not apply")
			}
		}
	}
}

// suggestDependency returns the fix for a missing dependency, and whether it is certain:
// an object can depend only on objects of its own kind.
func suggestDependency(r *rule.Pass, missing render.Key) (fix string, meant bool) {
	same, others := r.Cluster.Kustomizations(), r.Cluster.Of(model.ReleaseKind.Group, model.ReleaseKind.Kind)
	fix = "%s is a HelmRelease: depend on the Kustomization that applies it, with wait: true there"
	if missing.GroupKind != model.KustomizationKind {
		same, others = r.Cluster.Releases(), r.Cluster.Of(model.KustomizationKind.Group, model.KustomizationKind.Kind)
		fix = "%s is a Kustomization: let the one that applies the HelmRelease depend on it"
	}
	var names []string
	for _, k := range same {
		if k.Namespace == missing.Namespace {
			names = append(names, k.Name)
		} else if k.Name == missing.Name {
			return fmt.Sprintf("set the reference's namespace: %s", k.Namespace), true
		}
	}
	if slices.ContainsFunc(others, func(o *render.Object) bool { return o.GetName() == missing.Name }) {
		return fmt.Sprintf(fix, missing.Name), true
	}
	fix = rule.DidYouMean(missing.Name, names, fmt.Sprintf("name a %s of this cluster", missing.Kind))
	return fix, spelling.Near(missing.Name, names) != ""
}

func dependsOn(c *model.Cluster, k, target *render.Applier, seen []*render.Applier) bool {
	if slices.Contains(seen, k) {
		return false
	}
	for _, dependency := range c.Dependencies(k) {
		if dependency == target || dependsOn(c, dependency, target, append(seen, k)) {
			return true
		}
	}
	return false
}
