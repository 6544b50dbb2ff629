package model_test

import (
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// TestFate: what Flux, Helm and Crossplane do with objects that are no longer declared.
func TestFate(t *testing.T) {
	type edit func(owner *render.Applier, o *render.Object)
	annotated := func(key, value string) edit {
		return func(_ *render.Applier, o *render.Object) { o.SetAnnotations(map[string]string{key: value}) }
	}
	released := func(owner *render.Applier, _ *render.Object) { owner.Release = &helmv2.HelmRelease{} }
	for _, test := range []struct {
		name  string
		edits []edit
		// gone means that the Kustomization is no longer declared either.
		gone bool
		want model.Fate
	}{
		{"it is pruned", nil, false, model.Deleted},
		{"its Kustomization does not prune", []edit{func(owner *render.Applier, _ *render.Object) { owner.Spec.Prune = false }}, false, model.Kept},
		{"it is marked not to be pruned", []edit{annotated(model.PruneSwitch, "disabled")}, false, model.Kept},
		{"it is marked not to be reconciled", []edit{annotated(model.ReconcileSwitch, "disabled")}, false, model.Kept},
		{"Flux ignores it", []edit{annotated(model.ApplySwitch, "Ignore")}, false, model.Kept},
		{"Helm deletes it", []edit{released}, false, model.Deleted},
		{"Helm is told to keep it", []edit{released, annotated("helm.sh/resource-policy", "keep")}, false, model.Kept},
		{"Helm never deletes a definition of a chart", []edit{released, func(_ *render.Applier, o *render.Object) { o.Bundled = true }}, false, model.Kept},
		{"Helm heeds no annotation of Flux", []edit{released, annotated(model.PruneSwitch, "disabled")}, false, model.Deleted},
		{"it goes with its Kustomization", nil, true, model.Deleted},
		{"its Kustomization orphans it", []edit{func(owner *render.Applier, _ *render.Object) { owner.Spec.DeletionPolicy = "Orphan" }}, true, model.Kept},
		{"its Kustomization stays", []edit{func(owner *render.Applier, _ *render.Object) {
			owner.Object.SetAnnotations(map[string]string{model.PruneSwitch: "disabled"})
		}}, true, model.Kept},
		{"Crossplane no longer composes it", []edit{func(owner *render.Applier, o *render.Object) { o.Composite = owner.Object }}, false, model.Deleted},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := kustomization("root", nil)
			root.Spec.Prune = true
			owner := kustomization("app", root)
			owner.Spec.Prune = true
			owner.Object = objectOf(root, "Kustomization", "app")
			o := objectOf(owner, "ConfigMap", "facts")
			for _, edit := range test.edits {
				edit(owner, o)
			}
			root.Objects, owner.Objects = []*render.Object{owner.Object}, []*render.Object{o}
			before, after := cluster(root, owner), cluster(&render.Applier{Namespace: root.Namespace, Name: root.Name, Spec: root.Spec})
			if !test.gone {
				later := *owner
				later.Objects = nil
				kept := *root
				after = cluster(&kept, &later)
			}
			if got, reason := before.Fate(o, after); got != test.want || (reason == "") != (got == model.Deleted) {
				t.Errorf("fate %v (%s), want %v", got, reason, test.want)
			}
		})
	}
}

func objectOf(owner *render.Applier, kind, name string) *render.Object {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	u.SetName(name)
	u.SetNamespace("flux-system")
	return &render.Object{Unstructured: u, Owner: owner}
}

// When a cluster is removed, the objects that its Kustomizations prune are deleted.
func TestFateOfCluster(t *testing.T) {
	root := kustomization("root", nil)
	root.Spec.Prune = true
	o := objectOf(root, "ConfigMap", "facts")
	root.Objects = []*render.Object{o}
	if got, reason := cluster(root).Fate(o, nil); got != model.Deleted {
		t.Errorf("fate %v (%s)", got, reason)
	}
}

// Objects of a Kustomization that cannot be rendered are not touched.
func TestFateUnclear(t *testing.T) {
	root := kustomization("root", nil)
	root.Spec.Prune = true
	o := objectOf(root, "ConfigMap", "facts")
	root.Objects = []*render.Object{o}
	broken := cluster(&render.Applier{Namespace: root.Namespace, Name: root.Name})
	broken.Cluster.Failures = []render.Failure{{Cause: render.BuildFailed, Applier: root}}
	if got, _ := cluster(root).Fate(o, broken); got != model.Unclear {
		t.Errorf("fate %v", got)
	}
}
