package kustomize

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
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// corpus names another folder whose overlays the fidelity test builds, such as
// a checkout of a public Flux repository.
const corpus = "CORPUS"

// TestFidelity compares every overlay with fluxcd/pkg/kustomize, with which
// kustomize-controller builds: the same bytes, although the OpenAPI schema is kept
// between builds, and the same objects, although they are not printed and parsed in
// between.
func TestFidelity(t *testing.T) {
	roots := map[string]string{"repository": filepath.Join("..", "..", "..", "..", "..")}
	for _, folder := range []string{"simple", "openapi"} {
		roots[folder] = filepath.Join("testdata", "overlays", folder)
	}
	if dir, err := (&source.Library{}).ModuleDir(t.Context(), "github.com/kedacore/keda/v2", "v2.21.0"); err == nil {
		roots["keda"] = filepath.Join(dir, "config")
	} else {
		t.Log("without KEDA's overlays:", err)
	}
	if dir := os.Getenv(corpus); dir != "" {
		roots["corpus"] = dir
	}
	built := 0
	for name, root := range roots {
		from, err := artifact.FromFolder(t.Context(), root, artifact.Options{}, filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copied")
		if err := os.CopyFS(copied, os.DirFS(from.Dir)); err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(from.Dir, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() != "kustomization.yaml" {
				return err
			}
			built++
			folder, err := filepath.Rel(from.Dir, filepath.Dir(file))
			t.Run(name+"/"+filepath.ToSlash(folder), func(t *testing.T) { compareWithFlux(t, from, copied, folder) })
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

// compareWithFlux builds a folder of the artifact, and with Flux's package the same folder
// of its copy.
func compareWithFlux(t *testing.T, from *artifact.Artifact, copied, folder string) {
	k := kustomization(kustomizev1.KustomizationSpec{Path: folder, TargetNamespace: "elsewhere"})
	ours, err := (&Cache{}).Build(from, filepath.Join(from.Dir, folder), k)
	if err != nil {
		t.Fatal(err)
	}
	if len(ours.Remote) > 0 {
		t.Skip("only the network has all of it")
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(k)
	if err != nil {
		t.Fatal(err)
	}
	// Flux writes the completed kustomization.yaml to the artifact, and restores it later.
	theirDir := filepath.Join(copied, folder)
	generator := fluxkustomize.NewGenerator(copied, unstructured.Unstructured{Object: content})
	action, err := generator.WriteFile(theirDir, fluxkustomize.WithSaveOriginalKustomization())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fluxkustomize.CleanDirectory(theirDir, action); err != nil {
			t.Error(err)
		}
	}()
	theirs, theirErr := fluxkustomize.SecureBuild(copied, theirDir, false)
	if (theirErr == nil) != (ours.Err == nil) && !errors.Is(ours.Err, ErrEmpty) {
		t.Fatalf("Flux: %v, here: %v", theirErr, ours.Err)
	}
	if theirErr != nil {
		return
	}
	// Twice, so that a build's side effects would show in the next one.
	for range 2 {
		again, err := Run(filesys.MakeFsOnDisk(), theirDir, ours.setsOpenAPI())
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
	for _, data := range ours.Resources {
		objects, err := Decode(data)
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

// TestContent compares the conversion of a resource to JSON with kustomize's own, which
// goes through printed YAML, for text that is easily misread.
func TestContent(t *testing.T) {
	for _, value := range []string{
		`"007"`, "007", "0o7", "1e3", "1_000", "12345678901234567890", "9007199254740993", "1.0", ".5", "+1", "-0", ".inf", `"1e3"`,
		"yes", `"yes"`, "on", "~", `"null"`, "''", "2020-01-01", `"2020-01-01"`, "2020-01-01T00:00:00Z", "0x1F", "012:30", "=", "<<",
		"!!str 1", "!!int '1'", "!!float 1", "!!binary aGk=", "&a x", "[1, '1', on]", "{1: a, true: b}", "|\n      a\n      b\n", "\"\\u00e9\\n\\t\"", "'# no comment'",
	} {
		data := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  key: " + value + "\n")
		resources, err := resourceFactory().SliceFromBytes(data)
		if err != nil {
			continue // nothing to build
		}
		want, wantErr := resources[0].MarshalJSON()
		got, err := Content(resources[0])
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s, %v\nwant %s, %v", value, got, err, want, wantErr)
		}
	}
}

// BenchmarkSchema measures what keeping the OpenAPI schema saves.
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
		"kept":  func() error { _, err := Run(files, ".", false); return err },
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
