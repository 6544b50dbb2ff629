package crossplane

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Scopes is rule XP010.
var Scopes = rule.Rule{
	ID: "XP010", Severity: findings.Error, Title: "namespaced composite resource that composes a cluster-scoped one",
	Why: "Crossplane refuses to compose a cluster-scoped resource for a composite resource in a namespace: \"cannot apply " +
		"cluster scoped composed resource\" (https://github.com/crossplane/crossplane/pull/6588, " +
		"https://github.com/crossplane-contrib/provider-upjet-github/issues/213). The managed resources of Crossplane v1, such " +
		"as those of aws.upbound.io, are cluster-scoped; those of groups with an m, such as aws.m.upbound.io, are not.",
	Example: "kind: CompositeResourceDefinition\nspec:\n  scope: Namespaced # and its composition has a base of sqs.aws.upbound.io",
	Fix:     "Compose the namespaced kind, such as one of sqs.aws.m.upbound.io, or set the definition's scope to Cluster.",
	Check:   checkScopes,
}

func checkScopes(r *rule.Pass) {
	definitions := r.Cluster.Definitions()
	for _, step := range steps(r) {
		i := slices.IndexFunc(definitions, step.composes)
		if i < 0 || !isNamespaced(definitions[i]) {
			continue
		}
		for _, t := range step.templates() {
			if isClusterScoped(r, step.object, t.kind) {
				r.Report(t.at.At("base", "kind"), "%s is namespaced and composes %s, which is cluster-scoped: Crossplane refuses that",
					definitions[i].Kind, t.kind.GroupKind()).
					Fix("compose a namespaced kind, or set scope: Cluster in the definition")
			}
		}
	}
	for _, o := range r.Cluster.Composed() {
		xr := slices.IndexFunc(definitions, func(d model.Definition) bool { return defines(d, o.Composite) && isNamespaced(d) })
		if xr >= 0 && isClusterScoped(r, o, o.GroupVersionKind()) {
			r.Report(model.At(o.Composite, "kind"), "%s is namespaced and composes %s, which is cluster-scoped: Crossplane refuses that",
				o.Composite.Key(), o.Key()).
				Fix("compose a namespaced kind, or set scope: Cluster in the definition")
		}
	}
}

// isClusterScoped reports whether a kind is known to be cluster-scoped on an object's API
// server. The kinds of Crossplane v1's providers are, whatever their schema.
func isClusterScoped(r *rule.Pass, beside *render.Object, kind runtimeschema.GroupVersionKind) bool {
	if schema, _ := r.Cluster.SchemaBeside(beside, kind); schema != nil {
		return !schema.Namespaced()
	}
	return strings.HasSuffix(kind.Group, "."+model.ClusterAWS)
}

func defines(d model.Definition, xr *render.Object) bool {
	return d.Group == xr.GroupVersionKind().Group && d.Kind == xr.GetKind() && model.Target(d.Object) == model.Target(xr)
}

// isNamespaced reports whether a definition's composite resources are namespaced. That is
// the default only in the second version of its API.
func isNamespaced(d model.Definition) bool {
	scope, said, _ := unstructured.NestedString(d.Object.Object, "spec", "scope")
	return scope == "Namespaced" || !said && d.Object.GroupVersionKind().Version == "v2"
}
