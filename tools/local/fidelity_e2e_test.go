//go:build e2e

package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// checkFidelity compares render's output for the local cluster with the work of the real
// kustomize-controller. The Kustomizations and their inventories must be the same. A
// server-side apply of every rendered object under the controller's name must change
// nothing.
func checkFidelity(t *testing.T, c client.Client) *render.Cluster {
	t.Helper()
	settings, err := config.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(t.Context(), render.Options{Root: "../..", Revision: "HEAD", Clusters: []string{"local"}, Config: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rendering.Close() })
	cluster := rendering.Clusters[0]
	if len(cluster.Failures)+len(cluster.Unknowns) > 0 {
		t.Fatalf("the local cluster does not render: %v %v", cluster.Failures, cluster.Unknowns)
	}
	applied := inventories(t, c)
	if len(applied) != len(cluster.Kustomizations) {
		t.Errorf("%d Kustomizations rendered, %d in the cluster", len(cluster.Kustomizations), len(applied))
	}
	objects := 0
	for _, k := range cluster.Kustomizations {
		objects += len(k.Objects)
		if diff := cmp.Diff(applied[k.Namespace+"/"+k.Name], inventory(k)); diff != "" {
			t.Errorf("inventory of %s (-applied +rendered):\n%s", k.Name, diff)
		}
		checkUnchanged(t, c, k)
	}
	t.Logf("%d objects of %d Kustomizations are as kustomize-controller applied them", objects, len(applied))
	return cluster
}

// inventories returns the ids of the objects that each Kustomization of the cluster owns.
func inventories(t *testing.T, c client.Client) map[string][]string {
	t.Helper()
	var list kustomizev1.KustomizationList
	if err := c.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, k := range list.Items {
		ids := []string{}
		if k.Status.Inventory != nil {
			for _, entry := range k.Status.Inventory.Entries {
				ids = append(ids, entry.ID)
			}
		}
		slices.Sort(ids)
		all[k.Namespace+"/"+k.Name] = ids
	}
	return all
}

func inventory(k *render.Applier) []string {
	ids := []string{}
	for _, o := range k.Objects {
		ids = append(ids, object.UnstructuredToObjMetadata(o.Unstructured).String())
	}
	slices.Sort(ids)
	return ids
}

func checkUnchanged(t *testing.T, c client.Client, k *render.Applier) {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, o := range k.Objects {
		objects = append(objects, o.DeepCopy())
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		t.Fatal(err)
	}
	manager := ssa.NewResourceManager(c, nil, ssa.Owner{Field: "kustomize-controller", Group: kustomizev1.GroupVersion.Group})
	manager.SetOwnerLabels(objects, k.Name, k.Namespace)
	for _, o := range objects {
		entry, live, merged, err := manager.Diff(context.WithoutCancel(t.Context()), o, ssa.DefaultDiffOptions())
		switch {
		case err != nil:
			t.Errorf("dry-run of %s: %v", o.GetName(), err)
		case entry.Action != ssa.UnchangedAction:
			t.Errorf("%s would be %s (-live +rendered):\n%s", entry.Subject, entry.Action, strings.TrimSpace(cmp.Diff(live, merged)))
		}
	}
}
