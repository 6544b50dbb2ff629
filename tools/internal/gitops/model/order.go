package model

import (
	"slices"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Precedes reports whether Flux has applied everything in one Kustomization, and waited
// for it if configured, before it starts with another.
func (c *Cluster) Precedes(first, then *render.Applier) bool {
	return c.precedes(first, then, nil)
}

func (c *Cluster) precedes(first, then *render.Applier, seen []*render.Applier) bool {
	// A Kustomization starts when its parent applies it, so after everything on which the
	// parent depends.
	for k := then; k != nil; k = k.Parent {
		if slices.Contains(seen, k) {
			return false
		}
		seen = append(seen, k)
		for _, dependency := range c.Dependencies(k) {
			if c.covers(dependency, first) || c.precedes(first, dependency, seen) {
				return true
			}
		}
	}
	return false
}

// Dependencies returns the rendered Kustomizations on which a Kustomization depends, or
// the HelmReleases on which a HelmRelease depends.
func (c *Cluster) Dependencies(k *render.Applier) []*render.Applier {
	var found []*render.Applier
	for _, reference := range k.Spec.DependsOn {
		namespace := reference.Namespace
		if namespace == "" {
			namespace = k.Namespace
		}
		key := render.Key{GroupKind: k.Key().GroupKind, Namespace: namespace, Name: reference.Name}
		if dependency := c.Applier(key); dependency != nil {
			found = append(found, dependency)
		}
	}
	return found
}

// covers reports whether one Kustomization is ready only if another one is: it is the
// same, or waits for it.
func (c *Cluster) covers(ready, k *render.Applier) bool {
	for ; k != nil; k = k.Parent {
		if k == ready {
			return true
		}
		if k.Parent != nil && !WaitsFor(k.Parent, k) {
			return false
		}
	}
	return false
}

// WaitsFor reports whether a Kustomization is ready only when another one, which it
// applies, is ready.
func WaitsFor(parent, child *render.Applier) bool {
	if parent.Spec.Wait {
		return true
	}
	return slices.ContainsFunc(parent.Spec.HealthChecks, func(check meta.NamespacedObjectKindReference) bool {
		return check.Kind == child.Key().Kind && check.Name == child.Name && check.Namespace == child.Namespace
	})
}

// Ancestor reports whether a Kustomization applies another one, directly or through
// others.
func Ancestor(ancestor, k *render.Applier) bool {
	for k = k.Parent; k != nil; k = k.Parent {
		if k == ancestor {
			return true
		}
	}
	return false
}
