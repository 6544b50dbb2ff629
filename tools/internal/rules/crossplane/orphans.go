package crossplane

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Orphans is rule XP013.
var Orphans = rule.Rule{
	ID: "XP013", Severity: findings.Error, Title: "provider that is removed before its resources", Base: true,
	Why: "A provider deletes its managed resources, with the credentials of their provider configuration. If a change prunes " +
		"either of them together with resources, or while resources remain, their deletion hangs, and their counterparts in " +
		"the cloud stay (https://github.com/crossplane/crossplane/issues/4251, " +
		"https://github.com/crossplane-contrib/provider-kubernetes/issues/440).",
	Example: "# the change removes Provider provider-aws-sqs, and the last Queue at the same time or later",
	Fix:     "Remove the resources first and let Flux prune them. Remove the provider with the next change.",
	Check:   checkOrphans,
}

func checkOrphans(r *rule.Pass) {
	if r.Base == nil {
		return
	}
	for _, old := range r.Base.All() {
		needs := needing(old)
		if needs == nil || len(r.Cluster.Same(old, old.Key())) > 0 {
			continue
		}
		if fate, _ := r.Base.Fate(old, r.Cluster); fate != model.Deleted {
			continue
		}
		if left := first(r.Cluster, needs); left != nil {
			reportOrphan(r, old, left, "remains")
		} else if gone := first(r.Base, needs); gone != nil {
			reportOrphan(r, old, gone, "goes with the same change")
		}
	}
}

// needing returns a function that reports whether a managed resource needs this object of
// a provider to be deleted itself; nil for any other object.
func needing(o *render.Object) func(managed *render.Object) bool {
	kind := o.GroupVersionKind()
	switch {
	case kind.Group == "pkg.crossplane.io" && kind.Kind == "Provider":
		source, _, _ := unstructured.NestedString(o.Object, "spec", "package")
		name, _ := model.SplitImage(source)
		service, ofAWS := strings.CutPrefix(path.Base(name), "provider-aws-")
		if !ofAWS {
			return nil
		}
		return func(managed *render.Object) bool {
			own, _, _ := strings.Cut(managed.GroupVersionKind().Group, ".")
			return own == service && model.Target(managed) == model.Target(o)
		}
	case (kind.Group == model.NamespacedAWS || kind.Group == model.ClusterAWS) && strings.HasSuffix(kind.Kind, "ProviderConfig"):
		return func(managed *render.Object) bool {
			kind, namespace, name := model.ProviderReference(managed)
			return kind == o.GetKind() && namespace == o.GetNamespace() && name == o.GetName() &&
				model.ProviderGroup(managed) == o.GroupVersionKind().Group && model.Target(managed) == model.Target(o)
		}
	}
	return nil
}

// first returns the first managed resource in a revision for which needs returns true, or
// nil.
func first(c *model.Cluster, needs func(*render.Object) bool) *render.Object {
	for _, all := range [][]*render.Object{c.All(), c.Composed()} {
		for _, o := range all {
			if model.IsManaged(o) && needs(o) {
				return o
			}
		}
	}
	return nil
}

func reportOrphan(r *rule.Pass, old, managed *render.Object, what string) {
	at := render.Location{File: old.Locate().File} // a line would belong to another revision
	if owner := r.Cluster.Applier(old.Owner.Key()); owner != nil && owner.Object != nil {
		at = owner.Object.Locate("spec", "prune")
	}
	message := fmt.Sprintf("%s is no longer declared (%s in the base revision), and %s, which needs it to be deleted, %s",
		old.Key(), old.Locate(), managed.Key(), what)
	r.ReportLine(old.Key().String(), at, message).
		Fix("remove the resources first, and this one with a later change")
}
