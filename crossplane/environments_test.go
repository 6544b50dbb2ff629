package crossplane_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

// environments are this repository's spokes on AWS.
var environments = []string{"staging", "production"}

// composedIn returns everything that the platform composes for an environment, from this
// repository's manifests and the facts of its cluster.
func composedIn(t *testing.T, environment string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, xr := range compositesOf(t, environment) {
		objects = append(objects, compose(t, xr).objects()...)
	}
	if len(objects) == 0 {
		t.Fatalf("%s composes nothing", environment)
	}
	return objects
}

// compositesOf returns the XRs of an environment with the API server's defaults.
func compositesOf(t *testing.T, environment string) []*unstructured.Unstructured {
	t.Helper()
	var composites []*unstructured.Unstructured
	for _, object := range platformOf(t, environment) {
		if object.GroupVersionKind().Group != function.Group {
			continue
		}
		plural := strings.ToLower(object.GetKind()) + "s"
		for _, refused := range allAPIs(t)[plural].admit(object, nil) {
			t.Errorf("%s: %s %s: %v", environment, object.GetKind(), object.GetName(), refused)
		}
		composites = append(composites, object)
	}
	return composites
}

// platformOf returns the objects of infrastructure/platform that the hub applies for an
// environment.
func platformOf(t *testing.T, environment string) []*unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", "infrastructure", "platform", environment))
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	facts := factsOf(t, environment)
	substituted := os.Expand(string(text), func(name string) string {
		value, found := facts[name]
		if !found {
			t.Errorf("%s: no fact %s", environment, name)
		}
		return value
	})
	return documentsIn(t, []byte(substituted))
}

// factsOf returns the facts of an environment's cluster.
func factsOf(t *testing.T, environment string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "clusters", environment, "facts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects := documentsIn(t, data)
	i := slices.IndexFunc(objects, func(object *unstructured.Unstructured) bool { return object.GetName() == "cluster-facts" })
	facts, _, err := unstructured.NestedStringMap(objects[i].Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

func documentsIn(t *testing.T, data []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range bytes.SplitSeq(append([]byte("\n"), data...), []byte("\n---\n")) {
		object, err := decode(document)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

// readDoc reads a file of docs/aws.
func readDoc(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "aws", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Fatalf("docs/aws/%s: %v", file, err)
	}
}
