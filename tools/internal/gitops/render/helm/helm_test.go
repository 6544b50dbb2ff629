package helm

import (
	"context"
	"errors"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	helmcommon "helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// A template that takes too long ends the run: it cannot be stopped.
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

// FuzzPostRender gives any text for rendered templates to what parses and
// patches them: it may refuse the text, and must survive it.
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
