package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The fingerprint changes exactly with what only a start brings to the cluster, and not
// with the checkout's folder.
func TestFingerprint(t *testing.T) {
	const main = "package main\n\nimport _ \"example.com/m/store\"\n\nfunc main() {}\n"
	files := map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n", "go.sum": "",
		"app/main.go": main, "store/store.go": "package store\n\nimport _ \"embed\"\n\n//go:embed schema.json\nvar schema string\n",
		"store/schema.json": "{}", "store/store_test.go": "package store\n", "app/deployment.yaml": "kind: Deployment\n",
	}
	for _, pkg := range installed {
		files[filepath.Join(pkg, "code.go")] = "package code\n"
	}
	fingerprint := func(change func(root string, spec *image.Spec, set engines.Set)) string {
		t.Helper()
		root := t.TempDir()
		for name, text := range files {
			write(t, root, name, text)
		}
		spec := image.Spec{Name: "app", Tag: "local", Package: "./app", Dir: root}
		set := engines.Set{"etcd": {Bin: "/cache/etcd-1"}}
		change(root, &spec, set)
		e := environment{root: root, engines: set}
		f, err := e.fingerprint(t.Context(), []image.Spec{spec})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	same := fingerprint(func(string, *image.Spec, engines.Set) {})
	for name, test := range map[string]struct {
		change func(root string, spec *image.Spec, set engines.Set)
		same   bool
	}{
		"a manifest": {func(root string, _ *image.Spec, _ engines.Set) { write(t, root, "app/deployment.yaml", "kind: Job\n") }, true},
		"a test": {func(root string, _ *image.Spec, _ engines.Set) {
			write(t, root, "store/store_test.go", "package store // x\n")
		}, true},
		"code": {func(root string, _ *image.Spec, _ engines.Set) { write(t, root, "app/main.go", main+"\nvar _ = 1\n") }, false},
		"what is embedded in a package of the code": {func(root string, _ *image.Spec, _ engines.Set) { write(t, root, "store/schema.json", "[]") }, false},
		"what is installed first": {func(root string, _ *image.Spec, _ engines.Set) {
			write(t, root, filepath.Join(installed[0], "code.go"), "package code\n\nvar _ = 1\n")
		}, false},
		"a library": {func(root string, _ *image.Spec, _ engines.Set) {
			write(t, root, "go.sum", "example.com/other v1.0.0 h1:00\n")
		}, false},
		"a package's content": {func(_ string, spec *image.Spec, _ engines.Set) { spec.CrossplanePackage = []byte("kind: Function") }, false},
		"an engine":           {func(_ string, _ *image.Spec, set engines.Set) { set["etcd"].Bin = "/cache/etcd-2" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fingerprint(test.change) == same; got != test.same {
				t.Errorf("after a change the fingerprint is the same: %t, want %t", got, test.same)
			}
		})
	}
}

// The packages in installed exist and have files.
func TestInstalled(t *testing.T) {
	files, err := sourceFiles(t.Context(), root(t), installed)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tools/local/internal/supervisor/supervisor.go", "tools/local/internal/supervisor/config/kubelet.yaml",
		"tools/local/internal/coredns/coredns.yaml", "tools/local/internal/layout/layout.go",
	} {
		if !slices.Contains(files, want) {
			t.Errorf("%s is not among %q", want, files)
		}
	}
}

func root(t *testing.T) string {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// A cluster without a fingerprint is not synced.
func TestCheckSameOfAnOlderCluster(t *testing.T) {
	e := environment{paths: layout.Paths{Cache: t.TempDir()}}
	if err := e.checkSame(t.Context()); err == nil || !strings.Contains(err.Error(), "end it with `make down`") {
		t.Errorf("error %v", err)
	}
}
