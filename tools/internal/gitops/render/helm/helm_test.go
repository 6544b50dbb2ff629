package helm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	helmcommon "helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	schemas "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// TestRunawayTemplate checks that a template which takes too long ends the whole run, because
// a running template cannot be stopped.
func TestRunawayTemplate(t *testing.T) {
	defer func(before time.Duration) { maxTemplateTime = before }(maxTemplateTime)
	maxTemplateTime = 50 * time.Millisecond
	c := &Chart{Chart: &helmchart.Chart{
		Metadata: &helmchart.Metadata{Name: "a"},
		Templates: []*helmcommon.File{{
			Name: "templates/a.yaml", Data: []byte(`{{ range until 3000 }}{{ range until 3000 }}{{ end }}{{ end }}`),
		}},
	}}
	if _, err := execute(t.Context(), c, helmcommon.Values{}); !errors.As(err, new(Runaway)) {
		t.Errorf("%v, want the run to end", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := execute(cancelled, c, helmcommon.Values{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it is cancelled", err)
	}
}

// FuzzPostRender parses and patches any text in place of rendered templates: it may
// return an error, but not panic.
func FuzzPostRender(f *testing.F) {
	for _, seed := range []string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nkind: List\napiVersion: v1\nitems: [{}]\n",
		"a: &a {x: *a}", "--- # comment\n--- !tag {}", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {helm.sh/hook: test}}",
		"apiVersion: 1\nkind: [a]\nmetadata: {name: {}, annotations: [a]}", "? [a]\n: b",
	} {
		f.Add(seed, "- {op: add, path: /data, value: {a: b}}")
	}
	f.Fuzz(func(_ *testing.T, text, patch string) {
		r := Release{
			HelmRelease: &helmv2.HelmRelease{}, Chart: &Chart{Chart: &helmchart.Chart{Metadata: &helmchart.Metadata{Name: "a"}}},
			Locate: func(...any) origin.Location { return origin.Location{} },
		}
		r.Spec.PostRenderers = []helmv2.PostRenderer{{
			Kustomize: &helmv2.Kustomize{Patches: []kustomize.Patch{{Patch: patch, Target: &kustomize.Selector{Kind: "ConfigMap"}}}},
		}}
		manifests, err := r.postRender(map[string]string{"a/templates/a.yaml": text})
		if err != nil {
			return
		}
		for _, u := range manifests {
			r.locateManifest(u, map[string]int{})
		}
	})
}

// FuzzChart loads and installs any chart: it is installed or rejected. Charts with loops
// are left out, because TestRunawayTemplate covers them.
func FuzzChart(f *testing.F) {
	const metadata = "apiVersion: v2\nname: a\nversion: 1.0.0\n"
	f.Add(metadata, "name: a\n", "{}", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.name | quote }}}\n")
	f.Add(metadata+"dependencies: [{name: b, repository: 'file://../..'}]\n", "", "", "{{ lookup \"v1\" \"Pod\" \"\" \"\" }}")
	f.Add(metadata+"type: library\n", "a: &a [*a]", `{"type": "object", "required": ["b"]}`, `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`)
	f.Add("name: ..\nversion: ''\nkubeVersion: '>'\n", "global: 1\n", `{"$ref": "#"}`, "{{ .Files.Get \"../../x\" }}{{ tpl .Values.name . }}")
	f.Fuzz(func(t *testing.T, metadata, values, schema, template string) {
		for _, loop := range []string{"range", "until", "repeat", "include", "tpl"} {
			if strings.Contains(template, loop) && len(template) > 200 {
				t.Skip("it may take its time")
			}
		}
		dir := t.TempDir()
		for name, text := range map[string]string{
			"Chart.yaml": metadata, "values.yaml": values, "values.schema.json": schema, "templates/a.yaml": template,
			"crds/a.yaml": template,
		} {
			file := filepath.Join(dir, "chart", name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := origin.Location{File: "release.yaml", Line: 1}
		chart, err := Library{Files: &origin.Files{}}.Packed(&artifact.Artifact{Dir: dir}, "chart", at)
		if err != nil {
			return
		}
		r := Release{HelmRelease: &helmv2.HelmRelease{}, Chart: chart, Locate: func(...any) origin.Location { return at }}
		r.Name, r.Namespace = "a", "default"
		if _, err := r.Render(t.Context(), schemas.Builtin()); errors.As(err, new(Runaway)) {
			t.Fatal(err)
		}
	})
}
