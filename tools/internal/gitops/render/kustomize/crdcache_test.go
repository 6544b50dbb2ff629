package kustomize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// definition is a definition of any group, large enough to be cached.
var definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: %s.example.com\n" +
	"spec:\n  group: example.com\n  description: uses example.com/operator\n  padding: " + strings.Repeat("x", minCacheSize) + "\n"

const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: operator\nspec:\n  template:\n    spec:\n      containers:\n        - {name: operator, image: \"example.com/controller:v0\"}\n"

// The definitions that a build reuses are those that it would have made itself.
func TestCRDCache(t *testing.T) {
	patch := func(kind, text string) kustomizev1.KustomizationSpec {
		return kustomizev1.KustomizationSpec{Patches: []kustomize.Patch{{Target: &kustomize.Selector{Kind: kind}, Patch: text}}}
	}
	label := func(value string) string {
		return "- {op: add, path: /metadata/labels, value: {a: " + value + "}}\n"
	}
	deleted := func(version, kind string) string {
		return "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: operator}\n$patch: delete\n"
	}
	image := func(name string) kustomizev1.KustomizationSpec {
		return kustomizev1.KustomizationSpec{Images: []kustomize.Image{{Name: name, NewTag: "v1"}}}
	}
	for name, test := range map[string]struct {
		kustomization string
		first, second kustomizev1.KustomizationSpec
		taken         bool // whether the second build reuses the definitions
	}{
		"other patches":               {"", patch("Deployment", label("x")), patch("Deployment", label("y")), true},
		"other images":                {"", kustomizev1.KustomizationSpec{}, image("example.com/controller"), true},
		"labels":                      {"labels: [{pairs: {b: c}}]", image("example.com/controller"), patch("Deployment", label("y")), true},
		"a patch of a definition":     {"patches: [{target: {kind: CustomResourceDefinition}, patch: '" + strings.TrimSpace(label("z")) + "'}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), true},
		"other patches of one":        {"", patch("CustomResourceDefinition", label("x")), patch("CustomResourceDefinition", label("y")), false},
		"patches of any kind":         {"", patch(".*", label("x")), patch(".*", label("y")), false},
		"another namespace":           {"", kustomizev1.KustomizationSpec{TargetNamespace: "x"}, kustomizev1.KustomizationSpec{TargetNamespace: "y"}, false},
		"a deleted object":            {"", kustomizev1.KustomizationSpec{}, patch("Deployment", deleted("apps/v1", "Deployment")), false},
		"an image that one names":     {"", kustomizev1.KustomizationSpec{}, image("example.com/operator"), true},
		"a replacement":               {"replacements: [{source: {kind: CustomResourceDefinition, name: a.example.com, fieldPath: spec.group}, targets: [{select: {kind: Deployment}, fieldPaths: [metadata.name]}]}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"a patch by name":             {"patches: [{patch: '{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.example.com, labels: {c: d}}}'}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"a component":                 {"components: [component]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"a definition in a ConfigMap": {"configMapGenerator: [{name: crds, files: [a.yaml]}]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
		"notes on what is done":       {"buildMetadata: [transformerAnnotations]", kustomizev1.KustomizationSpec{}, image("example.com/controller"), false},
		"another deleted object":      {"", patch("Service", deleted("v1", "Service")), patch("Deployment", deleted("apps/v1", "Deployment")), false},
		"a definition that one makes": {"", patch("Deployment", "- {op: replace, path: /apiVersion, value: apiextensions.k8s.io/v1}\n- {op: replace, path: /kind, value: CustomResourceDefinition}\n"), patch("Deployment", deleted("apps/v1", "Deployment")), false},
		"definitions of old":          {"resources: [a.yaml, old.yaml, operator.yaml]", kustomizev1.KustomizationSpec{}, patch("Deployment", label("y")), false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if !strings.HasPrefix(test.kustomization, "resources:") {
				test.kustomization = operatorResources + test.kustomization
			}
			writeOperator(t, root, test.kustomization)
			buildTwice(t, root, ".", test.first, test.second, test.taken)
		})
	}
}

// TestCRDCacheOfKEDA builds KEDA's own manifests, which the clusters of this repository install.
func TestCRDCacheOfKEDA(t *testing.T) {
	dir, err := (&source.Library{}).ModuleDir(t.Context(), "github.com/kedacore/keda/v2", "v2.21.0")
	if err != nil {
		t.Skip(err)
	}
	first, second := kustomizev1.KustomizationSpec{}, kustomizev1.KustomizationSpec{}
	second.Images = []kustomize.Image{{Name: "ghcr.io/kedacore/keda", NewTag: "2.21.0"}}
	second.Patches = []kustomize.Patch{{Target: &kustomize.Selector{Kind: "Namespace", Name: "keda"}, Patch: "- {op: add, path: /metadata/labels/a, value: b}\n"}}
	buildTwice(t, dir, "config/default", first, second, true)
}

const operatorResources = "resources: [operator.yaml, a.yaml, crds, service.yaml]\n"

// FuzzCRDCache builds a folder with definitions for two Kustomizations with patches of
// their own: the second result is always the same as without the first build.
func FuzzCRDCache(f *testing.F) {
	const label, remove = "- {op: add, path: /metadata/labels, value: {a: b}}", "apiVersion: v1\nkind: Service\nmetadata: {name: operator}\n$patch: delete\n"
	f.Add("", "Deployment", label, "Deployment", "")
	f.Add("labels: [{pairs: {b: c}, includeSelectors: true}]", "Deployment", label, ".*", "- {op: remove, path: /spec}")
	f.Add("namePrefix: x-\nnamespace: y\nconfigMapGenerator: [{name: a, files: [a.yaml]}]", "", label, "Service", remove)
	f.Add("replacements: [{source: {kind: CustomResourceDefinition, fieldPath: spec.group}, targets: [{select: {kind: Deployment}, fieldPaths: [metadata.name]}]}]", "Deployment", label, "Deployment", "")
	f.Add("sortOptions: {order: legacy}\nreplicas: [{name: operator, count: 2}]\ncommonAnnotations: {a: b}", "Service", remove, "deployment", label)
	f.Add("buildMetadata: [transformerAnnotations, originAnnotations]\nimages: [{name: example.com/controller, newTag: v2}]", "Deployment", "", "Deployment", label)
	f.Add("transformers: [operator.yaml]\ngenerators: [operator.yaml]", "Deployment", label, "Deployment", "spec: {}")
	f.Fuzz(func(t *testing.T, kustomization, firstKind, firstPatch, secondKind, secondPatch string) {
		if len(kustomization)+len(firstPatch)+len(secondPatch) > 10_000 {
			t.Skip("quadratic in kustomize itself")
		}
		spec := func(kind, patch string) kustomizev1.KustomizationSpec {
			return kustomizev1.KustomizationSpec{Patches: []kustomize.Patch{{Target: &kustomize.Selector{Kind: kind}, Patch: patch}}}
		}
		second := spec(secondKind, secondPatch)
		second.Images = []kustomize.Image{{Name: "example.com/controller", NewTag: "v1"}}
		root := t.TempDir()
		writeOperator(t, root, operatorResources+kustomization)
		compareBuilds(t, root, ".", spec(firstKind, firstPatch), second)
	})
}

// writeOperator writes a folder with an operator and its definitions.
func writeOperator(t *testing.T, root, kustomization string) {
	t.Helper()
	for file, text := range map[string]string{
		"kustomization.yaml": kustomization + "\n",
		"a.yaml":             fmt.Sprintf(definition, "a"), "operator.yaml": deployment,
		"old.yaml":                strings.Replace(fmt.Sprintf(definition, "old"), "k8s.io/v1\n", "k8s.io/v1beta1\n", 1),
		"service.yaml":            "apiVersion: v1\nkind: Service\nmetadata:\n  name: operator\n",
		"crds/kustomization.yaml": "resources: [b.yaml]\n", "crds/b.yaml": fmt.Sprintf(definition, "b") + "---\n" + fmt.Sprintf(definition, "c"),
		"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {d: e}}]\n",
	} {
		writeFile(t, filepath.Join(root, file), text)
	}
}

// compareBuilds builds a folder for two Kustomizations, and for the second one again
// without a cache, which must make no difference. It returns both results.
func compareBuilds(t *testing.T, root, folder string, first, second kustomizev1.KustomizationSpec) (before, after *Build) {
	t.Helper()
	from, err := artifact.FromModule(root, "", artifact.Options{}, filepath.Join(t.TempDir(), "artifact"))
	if err != nil {
		t.Fatal(err)
	}
	build := func(c *Cache, spec kustomizev1.KustomizationSpec) *Build {
		built, err := c.Build(from, filepath.Join(from.Dir, folder), kustomization(spec))
		if err != nil {
			t.Fatal(err)
		}
		return built
	}
	shared := &Cache{}
	before, after = build(shared, first), build(shared, second)
	want := build(&Cache{}, second)
	if (after.Err == nil) != (want.Err == nil) || !slices.EqualFunc(after.Resources, want.Resources, slices.Equal) {
		t.Errorf("got %v\n%.2000s\nwant %v\n%.2000s", after.Err, after.Resources, want.Err, want.Resources)
	}
	return before, after
}

// buildTwice calls compareBuilds for builds that succeed. taken reports whether the
// second build must reuse the definitions.
func buildTwice(t *testing.T, root, folder string, first, second kustomizev1.KustomizationSpec, taken bool) {
	t.Helper()
	before, after := compareBuilds(t, root, folder, first, second)
	if before.Err != nil || after.Err != nil {
		t.Fatal(before.Err, after.Err)
	}
	same := slices.ContainsFunc(after.Resources, func(data []byte) bool {
		return isDefinition(data) && slices.ContainsFunc(before.Resources, func(other []byte) bool { return &other[0] == &data[0] })
	})
	if same != taken {
		t.Errorf("the definitions are taken over: %t, want %t", same, taken)
	}
}

// kustomization returns Flux's Kustomization with a specification.
func kustomization(spec kustomizev1.KustomizationSpec) *kustomizev1.Kustomization {
	k := &kustomizev1.Kustomization{Spec: spec}
	k.Namespace, k.Name = "flux-system", "app"
	return k
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
