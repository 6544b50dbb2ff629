package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

// FuzzCheck gives any manifest to every rule, without a panic. It starts with the
// manifests of some fixtures.
func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("*/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixture", err)
	}
	for i, name := range files {
		if i%10 != 0 {
			continue // TestFixtures covers the others
		}
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		if len(manifest) > 10_000 {
			t.Skip("quadratic in kustomize itself")
		}
		root := t.TempDir()
		file := filepath.Join(root, "clusters", "c", "a.yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, manifest, 0o600); err != nil {
			t.Fatal(err)
		}
		checkRepository(t, root, t.TempDir())
	})
}
