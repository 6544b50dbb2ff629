package model

import (
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssautil "github.com/fluxcd/pkg/ssa/utils"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// The annotations or labels with which an object tells Flux how to treat it.
const (
	PruneSwitch     = "kustomize.toolkit.fluxcd.io/prune"
	ReconcileSwitch = "kustomize.toolkit.fluxcd.io/reconcile"
	ApplySwitch     = "kustomize.toolkit.fluxcd.io/ssa"
	ForceSwitch     = "kustomize.toolkit.fluxcd.io/force"
)

// Switched reports whether an object's label or annotation has this value, which Flux
// obeys.
func Switched(o *render.Object, name, value string) bool {
	return ssautil.AnyInMetadata(o.Unstructured, map[string]string{name: value})
}

// Fate says what happens to an object that is no longer declared.
type Fate int

// The fates. Unclear means that the object's Kustomization cannot be rendered: Flux does
// not touch what it cannot build.
const (
	Unclear Fate = iota
	Kept
	Deleted
)

// Fate returns what Flux, Helm or Crossplane does with an object of this revision that a
// later revision no longer declares, with the reason if it is kept or unclear. The state
// in the cluster decides: an annotation that only the later revision has may come too
// late. later is nil if the whole cluster is gone.
func (c *Cluster) Fate(old *render.Object, later *Cluster) (Fate, string) {
	owner := old.Owner
	switch {
	case old.Composite != nil:
		return c.fateOfComposed(old, later)
	case later.SilentOn(owner):
		return Unclear, "cannot be rendered in full after the change"
	case c.Broken(owner):
		return Unclear, "cannot be rendered in full before the change"
	}
	if reason := keeps(old); reason != "" {
		return Kept, reason
	}
	if later != nil {
		if now := later.owners[owner.Key()]; now != nil {
			// If this change turns pruning off, Flux may still prune once.
			return prunedIf(owner.Spec.Prune || now.Spec.Prune)
		}
	}
	return c.fateWithOwner(owner, later)
}

// fateWithOwner returns the fate of the objects of a Kustomization that is itself no
// longer declared: the effect of its deletion.
func (c *Cluster) fateWithOwner(owner *render.Applier, later *Cluster) (Fate, string) {
	switch {
	case owner.Object != nil:
		if fate, reason := c.Fate(owner.Object, later); fate != Deleted {
			return fate, reason
		}
	case later != nil:
		return Kept, "nothing deletes its Kustomization"
	}
	switch (&kustomizev1.Kustomization{Spec: owner.Spec}).GetDeletionPolicy() {
	case kustomizev1.DeletionPolicyMirrorPrune:
		return prunedIf(owner.Spec.Prune)
	case kustomizev1.DeletionPolicyOrphan:
		return Kept, "its Kustomization orphans it"
	default:
		return Deleted, ""
	}
}

func prunedIf(prunes bool) (Fate, string) {
	if prunes {
		return Deleted, ""
	}
	return Kept, "its Kustomization does not prune"
}

// fateOfComposed returns the fate of a composed object. Crossplane deletes objects that
// it no longer composes and, with the composite resource, everything that it composed.
func (c *Cluster) fateOfComposed(old *render.Object, later *Cluster) (Fate, string) {
	if later != nil && len(later.keys[PlaceOf(old.Composite)]) > 0 {
		return Deleted, ""
	}
	return c.Fate(old.Composite, later)
}

// keeps returns why an object stays although its applier would delete it; empty if it
// does not stay.
func keeps(o *render.Object) string {
	if o.Owner.Release != nil {
		if o.Bundled || o.GetAnnotations()["helm.sh/resource-policy"] == "keep" {
			return "Helm keeps it"
		}
		return ""
	}
	switch {
	case Switched(o, PruneSwitch, kustomizev1.DisabledValue):
		return "it is marked not to be pruned"
	case Switched(o, ReconcileSwitch, kustomizev1.DisabledValue), Switched(o, ApplySwitch, kustomizev1.IgnoreValue):
		return "it is marked not to be reconciled"
	}
	return ""
}

// SilentOn reports whether it is unknown what a Kustomization of the other revision
// applies in this one: it cannot be rendered, or its parent cannot.
func (c *Cluster) SilentOn(k *render.Applier) bool {
	for ; c != nil && k != nil; k = k.Parent {
		if c.Broken(k) {
			return true
		}
		if c.owners[k.Key()] != nil {
			return false
		}
	}
	return false
}

// Broken reports whether a Kustomization could not be rendered.
func (c *Cluster) Broken(k *render.Applier) bool {
	key := k.Key()
	return slices.ContainsFunc(c.Cluster.Failures, func(failure render.Failure) bool {
		return failure.Applier != nil && failure.Applier.Key() == key
	}) || slices.ContainsFunc(c.Unknowns, func(unknown render.Unknown) bool {
		return unknown.Hides == render.HidesObjects && unknown.Key == key
	})
}
