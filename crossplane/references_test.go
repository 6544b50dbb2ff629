package crossplane_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A reference refers to a managed resource of the field's kind. The same example composes
// it; a cluster may also refer to its network. For any other resource the provider would
// wait forever.
func TestReferences(t *testing.T) {
	for _, plural := range []string{"networks", "eksclusters"} {
		for _, file := range examplesOf(t, plural) {
			t.Run(plural+"/"+filepath.Base(file), func(t *testing.T) {
				xr := readExample(t, plural, file)
				objects := compose(t, xr).objects()
				if plural == "eksclusters" {
					objects = append(objects, compose(t, networkOf(t, xr)).objects()...)
				}
				checkReferences(t, objects)
			})
		}
	}
}

func checkReferences(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	composed := map[target]bool{}
	for _, object := range objects {
		composed[target{object.GroupVersionKind().GroupKind(), object.GetName()}] = true
	}
	found := 0
	for _, object := range objects {
		if object.GetKind() == "Usage" {
			continue // TestDeletion checks them
		}
		for _, to := range referencesOf(t, object.Object["spec"], definitionOf(t, object).schema.Properties["spec"]) {
			found++
			if !composed[to] {
				t.Errorf("%s %s refers to %s %s, which nothing composes", object.GetKind(), object.GetName(), to.kind, to.name)
			}
		}
	}
	if found == 0 {
		t.Error("no references")
	}
}

// target is the resource that a reference refers to.
type target struct {
	kind schema.GroupKind
	name string
}

// referenced matches the description with which the provider's definitions say what a
// reference refers to.
var referenced = regexp.MustCompile(`^References? to (?:a )?(\w+) in (\w+) to populate`)

// referencesOf returns the targets of all fields in a value whose names contain Ref or
// Refs.
func referencesOf(t *testing.T, at any, as structural.Structural) []target {
	t.Helper()
	var all []target
	switch at := at.(type) {
	case map[string]any:
		for field, value := range at {
			below := as.Properties[field]
			kind := referenced.FindStringSubmatch(below.Description)
			switch {
			case field == "providerConfigRef":
			case !strings.HasSuffix(field, "Ref") && !strings.HasSuffix(field, "Refs"):
				all = append(all, referencesOf(t, value, below)...)
			case kind == nil:
				t.Errorf("the definition does not say what %s refers to: %q", field, below.Description)
			default:
				items, many := value.([]any)
				if !many {
					items = []any{value}
				}
				for _, item := range items {
					all = append(all, target{schema.GroupKind{Group: kind[2] + ".aws.m.upbound.io", Kind: kind[1]}, nameOf(item)})
				}
			}
		}
	case []any:
		for _, item := range at {
			all = append(all, referencesOf(t, item, *as.Items)...)
		}
	}
	return all
}

func nameOf(reference any) string {
	name, _, _ := unstructured.NestedString(reference.(map[string]any), "name")
	return name
}

// networkOf returns a cluster's Network.
func networkOf(t *testing.T, cluster *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	network := readExample(t, "networks", "examples/networks/minimal.yaml")
	network.SetNamespace(cluster.GetNamespace())
	network.SetName(cluster.GetName())
	for _, field := range []string{"clusterName", "region", "zones"} {
		network.Object["spec"].(map[string]any)[field] = cluster.Object["spec"].(map[string]any)[field]
	}
	return network
}

// A cluster and its nodes are in subnets with internet access through NAT, one in each
// zone. Nodes in public subnets would be reachable from outside.
func TestPrivateNodes(t *testing.T) {
	for _, file := range examplesOf(t, "eksclusters") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			xr := readExample(t, "eksclusters", file)
			private := behindNAT(compose(t, networkOf(t, xr)).objects())
			if zones := xr.Object["spec"].(map[string]any)["zones"].([]any); len(private) != len(zones) {
				t.Fatalf("behind NAT are %q, want one for each of %q", private, zones)
			}
			composed := compose(t, xr).composed
			for id, fields := range map[string][]string{
				"cluster": {"spec", "forProvider", "vpcConfig", "subnetIdRefs"},
				"nodes":   {"spec", "forProvider", "subnetIdRefs"},
			} {
				object, found := composed[id]
				if !found {
					continue // Auto Mode has no node group
				}
				references, _, err := unstructured.NestedSlice(object.Object, fields...)
				if err != nil {
					t.Fatal(err)
				}
				var subnets []string
				for _, reference := range references {
					subnets = append(subnets, nameOf(reference))
				}
				if slices.Sort(subnets); !slices.Equal(subnets, private) {
					t.Errorf("%s is in %q, want %q", id, subnets, private)
				}
			}
		})
	}
}

// behindNAT returns the subnets whose route table has a route through a NAT gateway.
func behindNAT(objects []*unstructured.Unstructured) []string {
	tables, subnets := map[string]bool{}, map[string]bool{}
	reference := func(object *unstructured.Unstructured, field string) string {
		name, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", field, "name")
		return name
	}
	for _, object := range objects {
		nat, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "natGatewayId")
		if object.GetKind() == "Route" && nat != "" {
			tables[reference(object, "routeTableIdRef")] = true
		}
	}
	for _, object := range objects {
		if object.GetKind() == "RouteTableAssociation" && tables[reference(object, "routeTableIdRef")] {
			subnets[reference(object, "subnetIdRef")] = true
		}
	}
	return slices.Sorted(maps.Keys(subnets))
}
