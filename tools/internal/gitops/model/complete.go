package model

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Scope is a part of what a cluster has: what somebody looks for and does not find.
type Scope struct {
	// hiding are the unknown things that may bring some of it.
	hiding func(*Cluster) []render.Unknown
	of     *render.Object
}

// For is the scope for whoever looks on behalf of an object: if the scope is not
// complete, nobody has judged the object.
func (s Scope) For(o *render.Object) Scope {
	s.of = o
	return s
}

// The scopes.
var (
	// Objects are whatever Flux applies, wherever, but for what charts of a known kind
	// bring.
	Objects = unknowns(func(c *Cluster, u render.Unknown) bool {
		_, known := c.groupsOf(u.Object)
		return hidesObjects(u) && !known
	})
	// FluxObjects are Flux's own objects, and what they take values from: of the charts,
	// those of Flux hold some.
	FluxObjects = unknowns(func(c *Cluster, u render.Unknown) bool {
		groups, _ := c.groupsOf(u.Object)
		return u.MayBringFlux() || hidesObjects(u) && isOf(fluxGroup, groups)
	})
	// CrossplaneObjects are packages, definitions, compositions and composite
	// resources.
	CrossplaneObjects = unknowns((*Cluster).hidesCrossplane)
	// ManagedResources are those that are applied, and those that Crossplane
	// composes.
	ManagedResources = Scope{hiding: func(c *Cluster) []render.Unknown {
		return slices.Concat(c.unknown(func(u render.Unknown) bool { return c.hidesCrossplane(u) }), c.uncomposed())
	}}
)

// ObjectsIn are the objects of a namespace. An unknown chart hides those of its
// release's namespace, and a Kustomization that is unknown those of all: it may apply
// further Kustomizations.
func ObjectsIn(namespace string) Scope {
	return unknowns(func(_ *Cluster, u render.Unknown) bool {
		target, isRelease := releaseNamespace(u.Object)
		return hidesObjects(u) && (!isRelease || target == namespace || strings.Contains(target, "${"))
	})
}

// ClusterScoped are the objects of a group's kinds that live in no namespace. A chart
// whose kinds are known hides none of other groups.
func ClusterScoped(group string) Scope {
	return unknowns(func(c *Cluster, u render.Unknown) bool { return hidesObjects(u) && c.mayBring(u.Object, group) })
}

// DefinitionsOf are the definitions of a group's kinds. Charts that are known to have the
// group hide them. If no chart is known to have it, every chart of unknown content does.
func DefinitionsOf(group string) Scope {
	return unknowns(func(c *Cluster, u render.Unknown) bool { return hidesObjects(u) && c.mayDefine(u.Object, group) })
}

// Namespaces are those of the cluster. What declares the root may make one, too.
var Namespaces = Scope{hiding: func(c *Cluster) []render.Unknown {
	return slices.Concat(Objects.hiding(c), c.unknown(func(u render.Unknown) bool { return u.Hides == render.HidesSurroundings }))
}}

// AppliedBefore are the objects that a Kustomization or a HelmRelease applies, and
// those that are there before it starts.
func AppliedBefore(then *render.Applier) Scope {
	return Scope{hiding: func(c *Cluster) []render.Unknown {
		return c.unknown(func(u render.Unknown) bool {
			first := c.Applier(u.Key)
			return hidesObjects(u) && first != nil && (first == then || c.Precedes(first, then))
		})
	}}
}

// Complete reports whether all of some scopes is known: nothing of them may come
// from what could not be rendered or composed. A rule that misses something asks
// this first.
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

// MakesNamespace reports whether a HelmRelease makes a namespace.
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

// hidesObjects reports whether Flux may apply objects because of something unknown.
func hidesObjects(u render.Unknown) bool { return u.Hides == render.HidesObjects }

// hidesCrossplane: the chart of Crossplane itself brings none of Crossplane's
// objects but the packages that its values name.
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

// uncomposed are the composite resources of which it is unknown what they become.
func (c *Cluster) uncomposed() []render.Unknown {
	found := c.unknown(func(u render.Unknown) bool { return u.Hides == render.HidesComposed })
	for _, failure := range c.Failures(render.CompositionFailed) {
		found = append(found, render.Unknown{
			Key: failure.Applier.Key(), Object: failure.Applier.Object, Reason: failure.Message, At: failure.At, Hides: render.HidesComposed,
		})
	}
	return found
}

// releaseNamespace is the namespace of what a HelmRelease installs.
func releaseNamespace(o *render.Object) (namespace string, isRelease bool) {
	if o == nil || o.Key().GroupKind != ReleaseKind {
		return "", false
	}
	target, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
	return cmp.Or(target, o.GetNamespace()), true
}
