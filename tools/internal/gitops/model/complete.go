package model

import (
	"cmp"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Scope is a part of what a cluster has: what somebody looks for and does not find.
type Scope struct{ hidden func(*Cluster) bool }

// The scopes.
var (
	// Objects are whatever Flux applies.
	Objects = Scope{func(c *Cluster) bool { return c.Incomplete() }}
	// FluxObjects are Flux's own objects, and what they take values from: charts
	// hold few of them.
	FluxObjects = Scope{func(c *Cluster) bool { return c.MayHaveMore() }}
	// CrossplaneObjects are packages, definitions, compositions and composite
	// resources.
	CrossplaneObjects = Scope{(*Cluster).hidesCrossplane}
	// ManagedResources are those that are applied, and those that Crossplane
	// composes.
	ManagedResources = Scope{func(c *Cluster) bool { return c.hidesCrossplane() || c.hidesComposed() }}
)

// ObjectsIn are the objects of a namespace. An unknown chart hides those of its
// release's namespace, and a Kustomization that is unknown those of all: it may apply
// further Kustomizations.
func ObjectsIn(namespace string) Scope {
	return Scope{func(c *Cluster) bool {
		return slices.ContainsFunc(c.Unknowns, func(unknown render.Unknown) bool {
			target, isRelease := releaseNamespace(unknown.Object)
			return hidesObjects(unknown) && (!isRelease || target == namespace)
		})
	}}
}

// releaseNamespace is the namespace of what a HelmRelease installs.
func releaseNamespace(o *render.Object) (namespace string, isRelease bool) {
	if o == nil || o.Key().GroupKind != ReleaseKind {
		return "", false
	}
	target, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
	return cmp.Or(target, o.GetNamespace()), true
}

// NamespaceCalled is a namespace, which a HelmRelease may make as well.
func NamespaceCalled(name string) Scope {
	return Scope{func(c *Cluster) bool {
		return c.Incomplete() || slices.ContainsFunc(c.Of(ReleaseKind.Group, ReleaseKind.Kind), func(release *render.Object) bool {
			create, _, _ := unstructured.NestedBool(release.Object, "spec", "install", "createNamespace")
			target, _, _ := unstructured.NestedString(release.Object, "spec", "targetNamespace")
			return create && target == name
		})
	}}
}

// AppliedBefore are the objects that a Kustomization or a HelmRelease applies, and
// those that are there before it starts.
func AppliedBefore(then *render.Applier) Scope {
	return Scope{func(c *Cluster) bool {
		return slices.ContainsFunc(c.Unknowns, func(unknown render.Unknown) bool {
			first := c.Applier(unknown.Key)
			return hidesObjects(unknown) && first != nil && (first == then || c.Precedes(first, then))
		})
	}}
}

// Complete reports whether all of some scopes is known: nothing of them may come
// from what could not be rendered or composed. A rule that misses something asks
// this first.
func (c *Cluster) Complete(scopes ...Scope) bool {
	hidden := slices.ContainsFunc(scopes, func(s Scope) bool { return s.hidden(c) })
	if hidden && c.hidden != nil {
		c.hidden()
	}
	return !hidden
}

// hidesObjects reports whether Flux may apply objects because of something unknown.
func hidesObjects(unknown render.Unknown) bool { return !unknown.Values && !unknown.Composed }

// hidesCrossplane: the chart of Crossplane itself brings none of Crossplane's
// objects but the packages that its values name.
func (c *Cluster) hidesCrossplane() bool {
	return slices.ContainsFunc(c.Unknowns, func(unknown render.Unknown) bool {
		return hidesObjects(unknown) && (unknown.Object == nil || !installsCrossplane(unknown.Object))
	})
}

func installsCrossplane(o *render.Object) bool {
	chart, _, _ := unstructured.NestedString(o.Object, "spec", "chart", "spec", "chart")
	if o.GetKind() != "HelmRelease" || path.Base(chart) != "crossplane" {
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

// hidesComposed reports whether what some composite resource becomes is unknown.
func (c *Cluster) hidesComposed() bool {
	return slices.ContainsFunc(c.Unknowns, func(unknown render.Unknown) bool { return unknown.Composed }) ||
		len(c.Failures(render.CompositionFailed)) > 0
}
