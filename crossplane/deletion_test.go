package crossplane_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The resources of a cluster are all deleted at once, and disappear in an order that AWS
// accepts.
func TestDeletion(t *testing.T) {
	orders := map[string][]string{
		"minimal.yaml": {"nodes", "cluster", "cluster-role"},
		"full.yaml":    {"nodes", "cluster", "cluster-role"},
		"auto.yaml":    {"cluster", "cluster-role"},
	}
	for _, file := range examplesOf(t, "eksclusters") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			composed := compose(t, readExample(t, "eksclusters", file)).composed
			gone := deletionOf(t, composed)
			order, found := orders[filepath.Base(file)]
			if !found {
				t.Fatal("no order is wanted")
			}
			for i := range order[1:] {
				if gone[order[i]] >= gone[order[i+1]] {
					t.Errorf("%s goes in round %d, and %s in %d", order[i], gone[order[i]], order[i+1], gone[order[i+1]])
				}
			}
			// The example has nodes; none of these may disappear before they do.
			for id := range composed {
				ofNodes := strings.HasPrefix(id, "node-role") || id == "addon-vpc-cni" || id == "node-template"
				if strings.HasPrefix(id, "cluster-role") && gone[id] <= gone["cluster"] || ofNodes && gone[id] <= gone[order[0]] {
					t.Errorf("%s goes in round %d", id, gone[id])
				}
			}
		})
	}
}

// deletionOf returns the round in which each composed resource disappears, if in each
// round all are deleted, and Crossplane's webhook rejects the deletion of what a Usage
// protects. A Usage disappears with its user.
func deletionOf(t *testing.T, composed map[string]*unstructured.Unstructured) map[string]int {
	t.Helper()
	left, usages := map[target]string{}, map[target][]target{}
	for id, object := range composed {
		if object.GetKind() != "Usage" {
			left[target{object.GroupVersionKind().GroupKind(), object.GetName()}] = id
		}
	}
	for id, object := range composed {
		if object.GetKind() != "Usage" || id == "protection" {
			continue
		}
		of, by := inUsage(t, object, "of"), inUsage(t, object, "by")
		if left[of] == "" || left[by] == "" {
			t.Errorf("%s keeps %v for %v: one of them is not composed", id, of, by)
		}
		if replay, _, _ := unstructured.NestedBool(object.Object, "spec", "replayDeletion"); !replay {
			t.Errorf("%s does not replay the deletion", id)
		}
		usages[of] = append(usages[of], by)
	}
	gone := map[string]int{}
	for round := 1; len(left) > 0; round++ {
		var going []target
		for object := range left {
			if !slices.ContainsFunc(usages[object], func(by target) bool { return left[by] != "" }) {
				going = append(going, object)
			}
		}
		if len(going) == 0 {
			t.Fatalf("%v keep each other", left)
		}
		for _, object := range going {
			gone[left[object]] = round
			delete(left, object)
		}
	}
	return gone
}

func inUsage(t *testing.T, usage *unstructured.Unstructured, side string) target {
	t.Helper()
	var spec map[string]struct {
		APIVersion, Kind string
		ResourceRef      struct{ Name string }
	}
	remarshal(t, map[string]any{side: usage.Object["spec"].(map[string]any)[side]}, &spec)
	return target{schema.FromAPIVersionAndKind(spec[side].APIVersion, spec[side].Kind).GroupKind(), spec[side].ResourceRef.Name}
}

// A Usage of the XR protects it exactly when its spec says deletionProtection.
func TestProtection(t *testing.T) {
	protected := 0
	for plural, api := range allAPIs(t) {
		if _, may := api.spec(t).Properties["deletionProtection"]; !may {
			continue
		}
		protected++
		for _, file := range examplesOf(t, plural) {
			for _, on := range []bool{true, false} {
				xr := readExample(t, plural, file)
				xr.Object["spec"].(map[string]any)["deletionProtection"] = on
				usage, found := compose(t, xr).composed["protection"]
				if found != on {
					t.Errorf("%s: with deletionProtection %t a Usage is composed: %t", file, on, found)
				}
				if want := (target{xr.GroupVersionKind().GroupKind(), xr.GetName()}); found && inUsage(t, usage, "of") != want {
					t.Errorf("%s: the Usage is of %v, want %v", file, inUsage(t, usage, "of"), want)
				}
			}
		}
	}
	if protected != 4 {
		t.Errorf("%d APIs have deletionProtection, want all but WorkloadRole's", protected)
	}
}

// A Usage also protects a cluster until EKS has turned its own protection off: otherwise
// the cluster would outlive its XR.
func TestProtectionLifted(t *testing.T) {
	xr := readExample(t, "eksclusters", "examples/eksclusters/minimal.yaml")
	for _, protects := range []bool{true, false} {
		cluster := compose(t, xr).composed["cluster"]
		cluster.Object["status"] = map[string]any{"atProvider": map[string]any{"deletionProtection": protects}}
		got := run(t, xr, world{composed: map[string]*unstructured.Unstructured{"cluster": cluster}})
		if _, found := got.composed["protection"]; found != protects {
			t.Errorf("EKS protects the cluster: %t, a Usage is composed: %t", protects, found)
		}
	}
}
