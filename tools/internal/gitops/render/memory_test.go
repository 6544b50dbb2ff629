package render_test

import (
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// TestMemory: a second rendering reuses a module from memory, even after the first one is
// closed, but reads its own files again.
func TestMemory(t *testing.T) {
	root, modules := t.TempDir(), t.TempDir()
	t.Setenv("GOMODCACHE", modules)
	write(t, modules, "example.com/module@v1.0.0/deploy/made.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made, namespace: default}\ndata: {key: first}\n"))
	write(t, root, "clusters/c/own.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: default}\ndata: {key: first}\n"))
	write(t, root, "clusters/c/module.yaml", []byte(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: module, namespace: flux-system}
spec: {interval: 1h, url: "https://example.com/module", ref: {tag: v1.0.0}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: module, namespace: flux-system}
spec: {interval: 1h, prune: true, path: ./deploy, sourceRef: {kind: GitRepository, name: module}}
`))
	memory, err := render.NewMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	first := run(t, render.Options{Root: root, Memory: memory})
	before := dump(first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, modules, "example.com/module@v1.0.0/deploy/made.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made, namespace: default}\ndata: {key: other}\n"))
	write(t, root, "clusters/c/own.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: default}\ndata: {key: later}\n"))

	want := strings.Replace(before, "first", "later", 1) // the root's objects come first
	if got := dump(run(t, render.Options{Root: root, Memory: memory})); got != want {
		t.Errorf("with memory:\n%s\nwant:\n%s", got, want)
	}
	if got := dump(run(t, render.Options{Root: root})); !strings.Contains(got, "other") {
		t.Errorf("without memory the module is as before:\n%s", got)
	}
}
