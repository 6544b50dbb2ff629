package render

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// corpus names another folder whose overlays the fidelity test builds, such as
// a checkout of a public Flux repository.
const corpus = "CORPUS"

// TestFidelity holds every overlay against fluxcd/pkg/kustomize, which is what
// kustomize-controller builds with: the same bytes, though the OpenAPI schema
// is kept between builds, and the same objects, though they are not printed and
// parsed in between.
func TestFidelity(t *testing.T) {
	roots := map[string]string{"repository": filepath.Join("..", "..", "..", "..")}
	for _, folder := range []string{"simple", "openapi"} {
		roots[folder] = filepath.Join("testdata", "overlays", folder)
	}
	if dir, err := (&sources{repository: roots["repository"]}).moduleDir(t.Context(), "github.com/kedacore/keda/v2", "v2.21.0"); err == nil {
		roots["keda"] = filepath.Join(dir, "config")
	} else {
		t.Log("without KEDA's overlays:", err)
	}
	if dir := os.Getenv(corpus); dir != "" {
		roots["corpus"] = dir
	}
	built := 0
	for name, root := range roots {
		source, err := artifact.FromFolder(t.Context(), root, artifact.Options{}, filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(source.Dir, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() != "kustomization.yaml" {
				return err
			}
			built++
			dir := filepath.Dir(file)
			relative, err := filepath.Rel(source.Dir, dir)
			t.Run(name+"/"+filepath.ToSlash(relative), func(t *testing.T) { compareWithFlux(t, source, dir) })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if built == 0 {
		t.Fatal("no overlay found")
	}
}

func compareWithFlux(t *testing.T, source *artifact.Artifact, dir string) {
	relative, err := filepath.Rel(source.Dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	k := &Applier{Namespace: "flux-system", Name: "app", Spec: kustomizev1.KustomizationSpec{Path: relative, TargetNamespace: "elsewhere"}}
	ours, err := newBuilder(newMemory(t.TempDir())).build(source, dir, k)
	if err != nil {
		t.Fatal(err)
	}
	if len(ours.remote) > 0 {
		t.Skip("only the network has all of it")
	}
	flux, err := k.unstructured()
	if err != nil {
		t.Fatal(err)
	}
	// Flux writes the completed kustomization.yaml into the artifact.
	copied := filepath.Join(t.TempDir(), "artifact")
	if err := os.CopyFS(copied, os.DirFS(source.Dir)); err != nil {
		t.Fatal(err)
	}
	theirDir := filepath.Join(copied, relative)
	if _, err := fluxkustomize.NewGenerator(copied, flux).WriteFile(theirDir); err != nil {
		t.Fatal(err)
	}
	theirs, theirErr := fluxkustomize.SecureBuild(copied, theirDir, false)
	if (theirErr == nil) != (ours.err == nil) && !errors.Is(ours.err, errEmpty) {
		t.Fatalf("Flux: %v, here: %v", theirErr, ours.err)
	}
	if theirErr != nil {
		return
	}
	// In a row, so that what a build leaves behind would show in the next.
	for range 2 {
		again, err := buildWithSchema(filesys.MakeFsOnDisk(), theirDir, ours.setsOpenAPI())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := yamlOf(t, again), yamlOf(t, theirs); !bytes.Equal(got, want) {
			t.Errorf("the kept schema changes the build:\n%s\nwant\n%s", got, want)
		}
	}
	want, err := ssautil.ReadObjects(bytes.NewReader(yamlOf(t, theirs)))
	if err != nil {
		t.Fatal(err)
	}
	var got []*unstructured.Unstructured
	for _, data := range ours.resources {
		objects, err := decode(data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, objects...)
	}
	if !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("other objects than Flux reads:\n%v\nwant\n%v", got, want)
	}
}

func yamlOf(t *testing.T, built resmap.ResMap) []byte {
	t.Helper()
	data, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestContent holds the way from a resource to JSON against kustomize's own,
// which goes through printed YAML, for text that is easily misread.
func TestContent(t *testing.T) {
	for _, value := range []string{
		`"007"`, "007", "0o7", "1e3", "1_000", "12345678901234567890", "9007199254740993", "1.0", ".5", "+1", "-0", ".inf", `"1e3"`,
		"yes", `"yes"`, "on", "~", `"null"`, "''", "2020-01-01", `"2020-01-01"`, "2020-01-01T00:00:00Z", "0x1F", "012:30", "=", "<<",
		"!!str 1", "!!int '1'", "!!float 1", "!!binary aGk=", "&a x", "[1, '1', on]", "{1: a, true: b}", "|\n      a\n      b\n", "\"\\u00e9\\n\\t\"", "'# no comment'",
	} {
		data := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  key: " + value + "\n")
		resources, err := resourceFactory().SliceFromBytes(data)
		if err != nil {
			continue // nothing that kustomize would build
		}
		want, wantErr := resources[0].MarshalJSON()
		got, err := content(resources[0])
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s, %v\nwant %s, %v", value, got, err, want, wantErr)
		}
	}
}

// FuzzBuild gives the loader a kustomization and a manifest: whatever they are,
// they build as Flux would build them, or are refused, and nothing is found on
// the network.
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

// TestSubstitutionLeavesOthersAlone holds the shortcut for objects without a
// variable against Flux's own way through all of them.
func TestSubstitutionLeavesOthersAlone(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  n: 1\n  f: 1.5\n  s: \"1\"\n  slash: 'a\\b \\ }{ %'\n  big: 1000000000\n  nothing: null\n  list: [a, 1]\n"
	resources, err := resourceFactory().SliceFromBytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before, err := content(resources[0])
	if err != nil {
		t.Fatal(err)
	}
	k := &Applier{Spec: kustomizev1.KustomizationSpec{PostBuild: &kustomizev1.PostBuild{Substitute: map[string]string{"A": "b"}}}}
	flux, err := k.unstructured()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fluxkustomize.SubstituteVariables(t.Context(), nil, flux, resources[0]); err != nil {
		t.Fatal(err)
	}
	after, err := content(resources[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Errorf("Flux changes an object without variables:\n%s\n%s", before, after)
	}
}

// BenchmarkSchema says what keeping the OpenAPI schema saves.
func BenchmarkSchema(b *testing.B) {
	files := filesys.MakeFsInMemory()
	for name, text := range map[string]string{
		"kustomization.yaml": "resources: [a.yaml]\n",
		"a.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
	} {
		if err := files.WriteFile(name, []byte(text)); err != nil {
			b.Fatal(err)
		}
	}
	for name, build := range map[string]func() error{
		"kept":  func() error { _, err := buildWithSchema(files, ".", false); return err },
		"reset": func() error { _, err := fluxkustomize.Build(files, "."); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := build(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
