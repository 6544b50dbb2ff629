package schema_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// For any object and any definition, the answer is the same twice, and the object does
// not change.
func FuzzValidate(f *testing.F) {
	for _, object := range []string{deployment, scaledObject, kustomization, queue, widgets, gadgets} {
		f.Add(widgets, object)
	}
	f.Add(gadgets, "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: a}\nspec: {region: [1]}")
	f.Add(widgets, "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3, parts: [{name: a, count: 0}, {}], labels: {a.b: c}}")
	f.Add(widgets, "apiVersion: v1\nkind: Pod\n'': 1\nspec: {'': 1}")
	f.Add(strings.Replace(widgets, "nullable: true", "$ref: '#/a'", 1), "apiVersion: example.org/v1\nkind: Widget\nspec: {maybe: a}")
	f.Fuzz(func(t *testing.T, declared, text string) {
		var object map[string]any
		if yaml.Unmarshal([]byte(text), &object) != nil {
			return
		}
		var declaration unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(declared), &declaration.Object); err != nil {
			return
		}
		before := runtime.DeepCopyJSON(object)
		kind, found := schema.Builtin().With([]*unstructured.Unstructured{&declaration}).Lookup((&unstructured.Unstructured{Object: object}).GroupVersionKind())
		if !found {
			return
		}
		first, second := kind.Validate(object), kind.Validate(object)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("two answers:\n%v\n%v", first, second)
		}
		if !reflect.DeepEqual(object, before) {
			t.Errorf("the object changed:\n%v\n%v", before, object)
		}
	})
}

// FuzzLoadPath gives any file to --schema: it defines kinds or is rejected.
func FuzzLoadPath(f *testing.F) {
	for _, text := range []string{widgets, gadgets, widgets + "---\n" + gadgets, "{}", "kind: CustomResourceDefinition\nspec: []", "a: &a [*a]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		catalog, err := schema.Builtin().LoadPath(file)
		if err != nil {
			return
		}
		for _, kind := range catalog.All() {
			if found, known := catalog.Lookup(kind); known && strings.HasSuffix(found.Source(), "a.yaml") {
				found.Validate(map[string]any{"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind})
			}
		}
	})
}
