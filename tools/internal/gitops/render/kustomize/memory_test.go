package kustomize

import (
	"bytes"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// TestMemory checks that a build from memory for another artifact is the same as a new build.
func TestMemory(t *testing.T) {
	named := func(name string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n" }
	files := map[string]string{
		"app/kustomization.yaml": "resources: [a.yaml, ../base]\npatches: [{path: patch.yaml}]\nconfigMapGenerator: [{name: made, files: [text]}]\n",
		"app/a.yaml":             named("a"), "app/text": "text",
		"app/patch.yaml":          named("base") + "data: {patched: done}\n",
		"base/kustomization.yaml": "resources: [base.yaml]\n", "base/base.yaml": named("base"),
		"plain/b.yaml": named("b"), "plain/deep/c.yaml": named("c"),
		"beside.yaml": named("beside"),
	}
	for name, test := range map[string]struct {
		folder, file, text string // empty to remove the file
		recalled           bool
	}{
		"nothing":                          {"app", "app/a.yaml", named("a"), true},
		"a file that it does not read":     {"app", "beside.yaml", named("other"), true},
		"a file more beside it":            {"app", "app/new.yaml", named("new"), true},
		"a resource":                       {"app", "app/a.yaml", named("other"), false},
		"a patch":                          {"app", "app/patch.yaml", named("base") + "data: {other: done}\n", false},
		"a generator's file":               {"app", "app/text", "other", false},
		"a base":                           {"app", "base/base.yaml", named("base") + "data: {other: done}\n", false},
		"a base's kustomization.yaml":      {"app", "base/kustomization.yaml", "resources: [base.yaml]\nnameSuffix: \"\"\n", false},
		"another kustomization file there": {"app", "base/kustomization.yml", "resources: [base.yaml]\n", false},
		"a resource is gone":               {"app", "app/a.yaml", "", false},
		"its kustomization.yaml":           {"app", "app/kustomization.yaml", "resources: [a.yaml]\n", false},
		"another folder":                   {"plain", "app/a.yaml", named("other"), true},
		"a file of a folder without":       {"plain", "plain/deep/c.yaml", named("other"), false},
		"a file more in one":               {"plain", "plain/deep/d.yaml", named("d"), false},
	} {
		t.Run(name, func(t *testing.T) {
			var memory Memory
			first := buildAt(t, &Cache{Memory: &memory}, files, test.folder)
			changed := maps.Clone(files)
			changed[test.file] = test.text
			if test.text == "" {
				delete(changed, test.file)
			}
			second := buildAt(t, &Cache{Memory: &memory}, changed, test.folder)
			fresh := buildAt(t, &Cache{}, changed, test.folder)
			if first.Err != nil || (second.Err == nil) != (fresh.Err == nil) {
				t.Fatalf("errors: first %v, second %v, fresh %v", first.Err, second.Err, fresh.Err)
			}
			if !slices.EqualFunc(second.Resources, fresh.Resources, bytes.Equal) {
				t.Errorf("with memory %s\nwithout %s", second.Resources, fresh.Resources)
			}
			if !reflect.DeepEqual(fresh.Layers, second.Layers) {
				t.Errorf("layers with memory %+v\nwithout %+v", second.Layers, fresh.Layers)
			}
			recalled := len(second.Resources) > 0 && &first.Resources[0] == &second.Resources[0]
			if recalled != test.recalled {
				t.Errorf("recalled: %v", recalled)
			}
		})
	}
}

// buildAt builds a folder of a new artifact.
func buildAt(t *testing.T, c *Cache, files map[string]string, folder string) *Build {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		writeFile(t, filepath.Join(root, name), text)
	}
	built, err := c.Build(&artifact.Artifact{Dir: root}, filepath.Join(root, folder), &kustomizev1.Kustomization{})
	if err != nil {
		t.Fatal(err)
	}
	return built
}
