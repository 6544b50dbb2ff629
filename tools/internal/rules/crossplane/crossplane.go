// Package crossplane has the rules about Crossplane's resources, definitions and
// Compositions.
package crossplane

import (
	"strings"

	apiextensionsv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		References,   // XP001
		UnreadFields, // XP002
		Compositions, // XP003
		Deletion,     // XP004
		Refused,      // XP005
		Identities,   // XP008
		Namespaces,   // XP009
		Scopes,       // XP010
		Paths,        // XP011
		Inputs,       // XP012
		Orphans,      // XP013
	}
}

// composition is a Composition that could be decoded.
type composition struct {
	apiextensionsv1.Composition
	object *render.Object
}

func compositions(r *rule.Pass) []composition {
	var all []composition
	for _, o := range r.Cluster.Of(model.CrossplaneGroup, "Composition") {
		c := composition{object: o}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &c.Composition); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// target returns the group and version of the composite resource.
func (c composition) target() (group, version string) {
	group, version, _ = strings.Cut(c.Spec.CompositeTypeRef.APIVersion, "/")
	return group, version
}

// composes reports whether it is a Composition for a definition's kind, on the same API
// server.
func (c composition) composes(d model.Definition) bool {
	group, _ := c.target()
	return group == d.Group && c.Spec.CompositeTypeRef.Kind == d.Kind && model.Target(c.object) == model.Target(d.Object)
}
