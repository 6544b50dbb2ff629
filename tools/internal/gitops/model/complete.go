package model

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Scope is a part of a cluster in which a rule looks for something.
type Scope struct {
	// hiding returns the unknown parts of the cluster that may contain objects of the
	// scope.
	hiding func(*Cluster) []render.Unknown
	of     *render.Object
}

// For returns the scope for a check on behalf of an object. If the scope is not complete,
// the object counts as not judged.
func (s Scope) For(o *render.Object) Scope {
	s.of = o
	return s
}

// The scopes.
var (
	// Objects is everything that Flux applies, except what charts with known kinds
	// install.
	Objects = unknowns(func(c *Cluster, u render.Unknown) bool {
		_, known := c.groupsOf(u.Object)
		return hidesObjects(u) && !known
	})
	// FluxObjects is Flux's own objects, and the objects from which they take values. Of
	// the known charts only Flux's contain some.
	FluxObjects = unknowns(func(c *Cluster, u render.Unknown) bool {
		groups, _ := c.groupsOf(u.Object)
		return u.MayBringFlux() || hidesObjects(u) && isOf(fluxGroup, groups)
	})
	// CrossplaneObjects is packages, definitions, Compositions and composite resources.
	CrossplaneObjects = unknowns((*Cluster).hidesCrossplane)
	// ManagedResources is applied and composed managed resources.
	ManagedResources = Scope{hiding: func(c *Cluster) []render.Unknown {
		return slices.Concat(c.unknown(func(u render.Unknown) bool { return c.hidesCrossplane(u) }), c.uncomposed())
	}}
)

// ObjectsIn is the objects of a namespace. An unknown chart hides those in its release's
// namespace. An unknown Kustomization hides those in every namespace, because it may
// apply further Kustomizations.
func ObjectsIn(namespace string) Scope {
	return unknowns(func(_ *Cluster, u render.Unknown) bool {
		target, isRelease := releaseNamespace(u.Object)
		return hidesObjects(u) && (!isRelease || target == namespace || strings.Contains(target, "${"))
	})
}

// ClusterScoped is the cluster-scoped objects of a group's kinds. A chart with known
// kinds hides none of other groups.
func ClusterScoped(group string) Scope {
	return unknowns(func(c *Cluster, u render.Unknown) bool { return hidesObjects(u) && c.mayBring(u.Object, group) })
}

// DefinitionsOf is the definitions of a group's kinds. Charts that are known to have the
// group hide them. If no chart is known to have it, every unknown chart does.
func DefinitionsOf(group string) Scope {
	return unknowns(func(c *Cluster, u render.Unknown) bool { return hidesObjects(u) && c.mayDefine(u.Object, group) })
}

// Namespaces is the cluster's Namespaces. Whatever declares the root may create one, too.
var Namespaces = Scope{hiding: func(c *Cluster) []render.Unknown {
	return slices.Concat(Objects.hiding(c), c.unknown(func(u render.Unknown) bool { return u.Hides == render.HidesSurroundings }))
}}

// AppliedBefore is the objects that a Kustomization or a HelmRelease applies itself, and
// those that exist before it starts.
func AppliedBefore(then *render.Applier) Scope {
	return Scope{hiding: func(c *Cluster) []render.Unknown {
		return c.unknown(func(u render.Unknown) bool {
			first := c.Applier(u.Key)
			return hidesObjects(u) && first != nil && (first == then || c.Precedes(first, then))
		})
	}}
}

// Complete reports whether all objects of some scopes are known: no unknown part may
// contain any. A rule asks this before it reports something as missing.
func (c *Cluster) Complete(scopes ...Scope) bool {
	complete := true
	for _, s := range scopes {
		hiding := s.hiding(c)
		if len(hiding) == 0 {
			continue
		}
		complete = false
		if c.hidden != nil {
			c.hidden(hiding, s.of)
			break // the same check is held back once
		}
	}
	return complete
}

// MakesNamespace reports whether a HelmRelease creates a namespace.
func (c *Cluster) MakesNamespace(name string) bool {
	return slices.ContainsFunc(c.Of(ReleaseKind.Group, ReleaseKind.Kind), func(release *render.Object) bool {
		create, _, _ := unstructured.NestedBool(release.Object, "spec", "install", "createNamespace")
		target, _ := releaseNamespace(release)
		return create && target == name
	})
}

func unknowns(may func(*Cluster, render.Unknown) bool) Scope {
	return Scope{hiding: func(c *Cluster) []render.Unknown {
		return c.unknown(func(u render.Unknown) bool { return may(c, u) })
	}}
}

func (c *Cluster) unknown(may func(render.Unknown) bool) []render.Unknown {
	var found []render.Unknown
	for _, u := range c.Unknowns {
		if may(u) {
			found = append(found, u)
		}
	}
	return found
}

// hidesObjects reports whether an unknown part may make Flux apply objects.
func hidesObjects(u render.Unknown) bool { return u.Hides == render.HidesObjects }

// hidesCrossplane reports whether an unknown part may contain Crossplane's objects.
// Crossplane's own chart contains none but the packages in its values.
func (c *Cluster) hidesCrossplane(u render.Unknown) bool {
	return hidesObjects(u) && c.mayBring(u.Object, CrossplaneGroup) && !c.installsCrossplaneAlone(u.Object)
}

func (c *Cluster) installsCrossplaneAlone(o *render.Object) bool {
	if _, known := c.groupsOf(o); !known {
		return false
	}
	if _, more, _ := unstructured.NestedSlice(o.Object, "spec", "valuesFrom"); more {
		return false
	}
	return !slices.ContainsFunc([]string{"provider", "function", "configuration"}, func(kind string) bool {
		packages, _, _ := unstructured.NestedSlice(o.Object, "spec", "values", kind, "packages")
		return len(packages) > 0
	})
}

// uncomposed returns the composite resources whose composed resources are unknown.
func (c *Cluster) uncomposed() []render.Unknown {
	found := c.unknown(func(u render.Unknown) bool { return u.Hides == render.HidesComposed })
	for _, failure := range c.Failures(render.CompositionFailed) {
		found = append(found, render.Unknown{
			Key: failure.Applier.Key(), Object: failure.Applier.Object, Reason: failure.Message, At: failure.At, Hides: render.HidesComposed,
		})
	}
	return found
}

// releaseNamespace returns the namespace in which a HelmRelease installs.
func releaseNamespace(o *render.Object) (namespace string, isRelease bool) {
	if o == nil || o.Key().GroupKind != ReleaseKind {
		return "", false
	}
	target, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
	return cmp.Or(target, o.GetNamespace()), true
}
