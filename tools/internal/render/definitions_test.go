package render

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"

	"github.com/mystique-unicorn/sales-events/tools/internal/artifact"
)

// What a build takes over from an earlier one is what it would have made itself.
func TestDefinitionsOnce(t *testing.T) {
	definition := "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: %s.example.com\n" +
		"spec:\n  group: example.com\n  description: uses example.com/operator\n  padding: " + strings.Repeat("x", manyDefinitions) + "\n"
	deployment := "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: operator\nspec:\n  template:\n    spec:\n      containers:\n        - {name: operator, image: \"example.com/controller:v0\"}\n"
	patch := func(kind, text string) kustomizev1.KustomizationSpec {
		return kustomizev1.KustomizationSpec{Patches: []kustomize.Patch{{Target: &kustomize.Selector{Kind: kind}, Patch: text}}}
	}
	label := func(value string) string {
		return "- {op: add, path: /metadata/labels, value: {a: " + value + "}}\n"
	}
	image := func(name string) kustomizev1.KustomizationSpec {
		return kustomizev1.KustomizationSpec{Images: []kustomize.Image{{Name: name, NewTag: "v1"}}}
	}
	for name, test := range map[string]struct {
		kustomization string
		first, second kustomizev1.KustomizationSpec
		taken         bool // whether the second takes the definitions over
	}{
		"other patches":            {"", patch("Deployment", label("x")), patch("Deployment", label("y")), true},
		"other images":             {"", kustomizev1.KustomizationSpec{}, image("example.com/controller"), true},
		"labels":                   {"labels: [{pairs: {b: c}}]", image("example.com/controller"), patch("Deployment", label("y")), true},
		"a patch of a definition":  {"patches: [{target: {kind: CustomResourceDefinition}, patch: '" + strings.TrimSpace(label("z")) + "'}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), true},
		"other patches of one":     {"", patch("CustomResourceDefinition", label("x")), patch("CustomResourceDefinition", label("y")), false},
		"patches of any kind":      {"", patch(".*", label("x")), patch(".*", label("y")), false},
		"another namespace":        {"", kustomizev1.KustomizationSpec{TargetNamespace: "x"}, kustomizev1.KustomizationSpec{TargetNamespace: "y"}, false},
		"a deleted object":         {"", kustomizev1.KustomizationSpec{}, patch("Deployment", "$patch: delete\nkind: Deployment\nmetadata: {name: operator}\n"), false},
		"an image of a definition": {"", kustomizev1.KustomizationSpec{}, image("example.com/operator"), false},
		"a replacement":            {"replacements: [{source: {kind: CustomResourceDefinition, name: a.example.com, fieldPath: spec.group}, targets: [{select: {kind: Deployment}, fieldPaths: [metadata.name]}]}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"a patch by name":          {"patches: [{patch: '{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.example.com, labels: {c: d}}}'}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"a component":              {"components: [component]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range map[string]string{
				"kustomization.yaml": "resources: [a.yaml, crds, operator.yaml]\n" + test.kustomization + "\n",
				"a.yaml":             fmt.Sprintf(definition, "a"), "operator.yaml": deployment,
				"crds/kustomization.yaml": "resources: [b.yaml]\n", "crds/b.yaml": fmt.Sprintf(definition, "b") + "---\n" + fmt.Sprintf(definition, "c"),
				"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {d: e}}]\n",
			} {
				writeFile(t, filepath.Join(root, file), text)
			}
			buildTwice(t, root, ".", test.first, test.second, test.taken)
		})
	}
}

// The operator of this repository, as its clusters install it.
func TestDefinitionsOnceOfKEDA(t *testing.T) {
	dir, err := (&sources{repository: filepath.Join("..", "..", "..")}).moduleDir(t.Context(), "github.com/kedacore/keda/v2", "v2.21.0")
	if err != nil {
		t.Skip(err)
	}
	first, second := kustomizev1.KustomizationSpec{}, kustomizev1.KustomizationSpec{}
	second.Images = []kustomize.Image{{Name: "ghcr.io/kedacore/keda", NewTag: "2.21.0"}}
	second.Patches = []kustomize.Patch{{Target: &kustomize.Selector{Kind: "Namespace", Name: "keda"}, Patch: "- {op: add, path: /metadata/labels/a, value: b}\n"}}
	buildTwice(t, dir, "config/default", first, second, true)
}

// buildTwice builds a folder for two Kustomizations, and the second anew.
func buildTwice(t *testing.T, root, folder string, first, second kustomizev1.KustomizationSpec, taken bool) {
	t.Helper()
	source, err := artifact.FromModule(root, "", artifact.Options{}, filepath.Join(t.TempDir(), "artifact"))
	if err != nil {
		t.Fatal(err)
	}
	build := func(b *builder, spec kustomizev1.KustomizationSpec) *build {
		built, err := b.build(source, filepath.Join(source.Dir, folder), &Kustomization{Namespace: "flux-system", Name: "app", Spec: spec})
		if err != nil || built.err != nil {
			t.Fatal(err, built.err)
		}
		return built
	}
	shared := newBuilder(newMemory(t.TempDir()))
	before, got := build(shared, first), build(shared, second)
	want := build(newBuilder(newMemory(t.TempDir())), second)
	if !slices.EqualFunc(got.resources, want.resources, slices.Equal) {
		t.Errorf("got\n%.2000s\nwant\n%.2000s", got.resources, want.resources)
	}
	same := slices.ContainsFunc(got.resources, func(data []byte) bool {
		return isDefinition(data) && slices.ContainsFunc(before.resources, func(other []byte) bool { return &other[0] == &data[0] })
	})
	if same != taken {
		t.Errorf("the definitions are taken over: %t, want %t", same, taken)
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
