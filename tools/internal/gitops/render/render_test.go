package render_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

var update = flag.Bool("update", false, "rewrite what the repositories in testdata render to")

// TestRepositories renders each small repository in testdata, and compares every field of
// every object, and the line that sets it, with its file `want`.
func TestRepositories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no repository found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			want, charts := -1, map[string]bool{}
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				write(t, root, f.Name, f.Data)
				if folder, _, _ := strings.Cut(f.Name, "/"); strings.HasPrefix(folder, "pulled") {
					charts[filepath.Join(root, folder)] = true
				}
			}
			flux := ""
			if strings.Contains(string(archive.Comment), "flux: 2.8") {
				flux = "2.8"
			}
			got := dump(run(t, render.Options{Root: root, Charts: slices.Sorted(maps.Keys(charts)), Flux: flux}))
			switch {
			case want >= 0 && string(archive.Files[want].Data) == got:
			case *update && want < 0:
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
			case *update:
				archive.Files[want].Data = []byte(got)
			case want < 0:
				t.Fatal("no file want: run the test with -update and read what it wrote")
			default:
				t.Errorf("got:\n%s\nwant:\n%s", got, archive.Files[want].Data)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// run renders a repository with its own configuration.
func run(t testing.TB, options render.Options) *render.Rendering {
	t.Helper()
	settings, err := config.Read(options.Root)
	if err != nil {
		t.Fatal(err)
	}
	options.Config = settings
	rendering, err := render.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rendering.Close(); err != nil {
			t.Error(err)
		}
	})
	return rendering
}

func write(t testing.TB, root, name string, data []byte) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// dump writes a rendering with the place of everything in it.
func dump(rendering *render.Rendering) string {
	var text strings.Builder
	line := func(at render.Location, format string, args ...any) {
		fmt.Fprintf(&text, "%-70s %s\n", fmt.Sprintf(format, args...), at)
	}
	for _, cluster := range rendering.Clusters {
		fmt.Fprintf(&text, "%s\n", cluster.Path)
		for _, k := range slices.Concat(cluster.Kustomizations, cluster.Releases) {
			fmt.Fprintf(&text, "%s %v\n", k, k.Files)
			for _, object := range k.Objects {
				line(object.Locate(), "  %s", object.Key())
				for _, leaf := range leaves(object.Object, nil) {
					line(object.Locate(leaf...), "    %s = %s", join(leaf), show(object.Object, leaf))
				}
			}
		}
		for _, failure := range cluster.Failures {
			fmt.Fprintf(&text, "failure, %s (%s) %s: %s: %s; %s\n", failure.Cause, failure.Subject, failure.At, failure.Applier, failure.Message, failure.Fix)
		}
		for _, emptied := range cluster.Emptied {
			fmt.Fprintf(&text, "emptied, %s (%s) %s: %s\n", emptied.Cause, emptied.Subject, emptied.At, emptied.Message)
		}
		for _, outside := range cluster.Outside {
			fmt.Fprintf(&text, "outside, %s: %s: %s\n", outside.At, outside.By, outside.Key)
		}
		for _, unknown := range cluster.Unknowns {
			fmt.Fprintf(&text, "unknown, %s: %s: %s\n", unknown.At, unknown.Key, unknown.Reason)
		}
	}
	return text.String()
}

// leaves returns the fields of a value that have no fields themselves, except for fields
// that every object has.
func leaves(value any, at []any) [][]any {
	var all [][]any
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if len(at) == 0 && (key == "apiVersion" || key == "kind") || strings.HasPrefix(key, "kustomize.toolkit.fluxcd.io/name") {
				continue
			}
			all = append(all, leaves(value[key], append(slices.Clone(at), key))...)
		}
	case []any:
		for i, item := range value {
			all = append(all, leaves(item, append(slices.Clone(at), i))...)
		}
	default:
		all = append(all, at)
	}
	return all
}

func join(field []any) string {
	var text strings.Builder
	for _, element := range field {
		fmt.Fprintf(&text, "/%v", element)
	}
	return text.String()
}

func show(value any, field []any) string {
	for _, element := range field {
		switch element := element.(type) {
		case string:
			value = value.(map[string]any)[element]
		case int:
			value = value.([]any)[element]
		}
	}
	if text, ok := value.(string); ok {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%v (%T)", value, value)
}

// TestLocateMapping checks the place of mappings: that of one which a patch changes in part
// is in the manifest, and that of one which a patch adds is in the patch.
func TestLocateMapping(t *testing.T) {
	root := t.TempDir()
	write(t, root, "clusters/c/app.yaml", []byte(rootOf("app")))
	write(t, root, "app/a.yaml", []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: default}\nspec:\n  replicas: 1\n"))
	write(t, root, "app/kustomization.yaml", []byte("resources: [a.yaml]\npatches:\n  - path: patch.yaml\n"))
	write(t, root, "app/patch.yaml", []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: default}\nspec:\n  strategy:\n    type: Recreate\n"))
	objects := run(t, render.Options{Root: root}).Clusters[0].Objects()
	object := objects[len(objects)-1]
	for want, field := range map[string][]any{
		"app/a.yaml:1":     nil,
		"app/a.yaml:4":     {"spec"},
		"app/a.yaml:5":     {"spec", "replicas"},
		"app/patch.yaml:5": {"spec", "strategy"},
		"app/patch.yaml:6": {"spec", "strategy", "type"},
	} {
		if got := object.Locate(field...).String(); got != want {
			t.Errorf("%v is at %s, want %s", field, got, want)
		}
	}
	if got := object.Locate("spec", "template", "spec").String(); got != "app/a.yaml:4" {
		t.Errorf("a field that nothing says is at %s", got)
	}
}
