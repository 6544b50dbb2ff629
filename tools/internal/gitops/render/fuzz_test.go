package render

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
)

// FuzzBuild builds any kustomization and manifest: the result is Flux's, or an error, and
// nothing is fetched from the network.
func FuzzBuild(f *testing.F) {
	f.Add("resources: [a.yaml]\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: ${Y}}\n")
	f.Add("resources: [a.yaml, .]\nnamespace: x\n", "a: &a [*a]")
	f.Add("resources: [a.yaml, 'https://127.0.0.1:1/b.yaml']\npatches: [{path: a.yaml}]\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
	f.Add("resources: [a.yaml]\npatches:\n  - target: {kind: ConfigMap}\n    patch: |\n      - {op: copy, from: /data, path: /data/x}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: 1}}\ndata: {}\n")
	f.Add("components: [../..]\nimages: [{name: x, newTag: '1'}]\n", "kind: List\nitems: [{}]\n")
	f.Add("configMapGenerator: [{name: a, files: [a.yaml], envs: [a.yaml]}]\nreplicas: [{name: a, count: 2}]\n", "A=b\n\xff\xfe")
	f.Add("transformers: [a.yaml]\nresources: [a.yaml]\n", "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: t, namespace: x}\n")
	f.Add("replacements: [{source: {kind: ConfigMap}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.x]}]}]\nresources: [a.yaml]\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
	f.Fuzz(func(t *testing.T, kustomization, manifest string) {
		if len(kustomization)+len(manifest) > 10_000 {
			t.Skip("quadratic in kustomize itself")
		}
		root := t.TempDir()
		for name, text := range map[string]string{
			"clusters/c/app.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: app, namespace: flux-system}\n" +
				"spec: {path: ./app, sourceRef: {kind: GitRepository, name: flux-system}, postBuild: {substitute: {A: b}}}\n",
			"app/kustomization.yaml": kustomization,
			"app/a.yaml":             manifest,
		} {
			writeFile(t, filepath.Join(root, name), text)
		}
		rendering := &Rendering{work: t.TempDir()}
		options := Options{Root: root}
		options.Config.Clusters = []string{"clusters/*"}
		if err := rendering.run(t.Context(), options); err != nil {
			t.Fatal(err)
		}
		for _, object := range rendering.Clusters[0].Objects() {
			locateAll(object, object.Object, nil)
		}
	})
}

// locateAll locates every field of an object.
func locateAll(object *Object, value any, field []any) {
	object.Locate(field...)
	switch value := value.(type) {
	case map[string]any:
		for key, nested := range value {
			locateAll(object, nested, append(field, key))
		}
	case []any:
		for i, nested := range value {
			locateAll(object, nested, append(field, i))
		}
	}
}

// TestSubstitutionLeavesOthersAlone compares the shortcut for objects without variables
// with Flux's own code.
func TestSubstitutionLeavesOthersAlone(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  n: 1\n  f: 1.5\n  s: \"1\"\n  slash: 'a\\b \\ }{ %'\n  big: 1000000000\n  nothing: null\n  list: [a, 1]\n"
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	resource, err := kustomize.NewResource(object)
	if err != nil {
		t.Fatal(err)
	}
	before, err := kustomize.Content(resource)
	if err != nil {
		t.Fatal(err)
	}
	k := &Applier{Spec: kustomizev1.KustomizationSpec{PostBuild: &kustomizev1.PostBuild{Substitute: map[string]string{"A": "b"}}}}
	flux, err := k.unstructured()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fluxkustomize.SubstituteVariables(t.Context(), nil, flux, resource); err != nil {
		t.Fatal(err)
	}
	after, err := kustomize.Content(resource)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Errorf("Flux changes an object without variables:\n%s\n%s", before, after)
	}
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
