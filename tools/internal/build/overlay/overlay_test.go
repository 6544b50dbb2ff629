package overlay_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/overlay"
)

var old, young = "sha256:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("b", 64)

// edit is a file before and after a digest is written into it, with OLD and NEW for the
// digests.
type edit struct{ file, before, after string }

// check edits the file twice: the second time nothing changes.
func (e edit) check(t *testing.T, set func(dir string) ([]string, error)) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, e.file)
	digests := strings.NewReplacer("OLD", old, "NEW", young)
	if err := os.WriteFile(file, []byte(digests.Replace(e.before)), 0o644); err != nil {
		t.Fatal(err)
	}
	changed, err := set(dir)
	if err != nil || len(changed) != 1 || changed[0] != file {
		t.Fatalf("changed %v, %v", changed, err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := digests.Replace(e.after); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if changed, err := set(dir); err != nil || len(changed) > 0 {
		t.Errorf("the second time: changed %v, %v", changed, err)
	}
}

// Only the digest changes, in every form of the entry and wherever the image is pinned.
func TestSet(t *testing.T) {
	for name, test := range map[string]edit{
		"digest":         {"kustomization.yaml", "images:\n  # ours\n  - name: r/a # first\n    digest: OLD # why\n  - {name: r/b, digest: OLD}\n", "images:\n  # ours\n  - name: r/a # first\n    digest: NEW # why\n  - {name: r/b, digest: OLD}\n"},
		"flow":           {"kustomization.yaml", "images: [{name: r/a, digest: OLD}]\n", "images: [{name: r/a, digest: NEW}]\n"},
		"tag":            {"kustomization.yaml", "images:\n- name: r/a\n  newTag: \"1\" # why\nresources: [x]\n", "images:\n- name: r/a\n  digest: NEW # why\nresources: [x]\n"},
		"bare":           {"kustomization.yaml", "images:\n  - name: r/a # why\n  - name: r/b\n", "images:\n  - name: r/a # why\n    digest: NEW\n  - name: r/b\n"},
		"no last line":   {"kustomization.yaml", "images:\n  - name: r/a", "images:\n  - name: r/a\n    digest: NEW\n"},
		"new name":       {"kustomization.yaml", "images:\n  - name: a\n    newName: r/a\n    digest: OLD\n", "images:\n  - name: a\n    newName: r/a\n    digest: NEW\n"},
		"reference":      {"functions.yaml", "# first\nspec:\n  package: r/b@OLD\n---\nspec:\n  package: \"r/a@OLD\" # why\n", "# first\nspec:\n  package: r/b@OLD\n---\nspec:\n  package: \"r/a@NEW\" # why\n"},
		"two references": {"pods.yaml", "a: r/a@OLD\nb: r/a@OLD\n", "a: r/a@NEW\nb: r/a@NEW\n"},
	} {
		t.Run(name, func(t *testing.T) {
			test.check(t, func(dir string) ([]string, error) { return overlay.Set(dir, "r/a", young) })
		})
	}
}

func TestNothingToPin(t *testing.T) {
	dir := t.TempDir()
	if _, err := overlay.Pins(dir); err == nil || !strings.Contains(err.Error(), "holds no manifest") {
		t.Errorf("an empty folder: %v", err)
	}
	file := filepath.Join(dir, "kustomization.yaml")
	for content, want := range map[string]string{
		"images:\n  - name: r/b\n": "pins no image r/a: add `- name: r/a` to images",
		"":                         "pins no image r/a",
		"[1]":                      "pins no image r/a",
		"images: 7":                "pins no image r/a",
		"a: [":                     "kustomization.yaml: yaml:",
	} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := overlay.Set(dir, "r/a", young); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", content, err, want)
		}
	}
}

// The digest is written beside the tag, in every form of the entry; an image without a
// new digest does not change.
func TestSetBeside(t *testing.T) {
	for name, test := range map[string]edit{
		"new":      {"kustomization.yaml", "images:\n  - name: r/a # ours\n    newTag: \"1\" # why\n  - {name: r/b, newTag: v1}\n", "images:\n  - name: r/a # ours\n    newTag: \"1\" # why\n    digest: NEW\n  - {name: r/b, newTag: v1}\n"},
		"old":      {"kustomization.yaml", "images:\n- newTag: \"1\"\n  name: r/a\n  digest: OLD # why\n", "images:\n- newTag: \"1\"\n  name: r/a\n  digest: NEW # why\n"},
		"first":    {"kustomization.yaml", "images:\n- newTag: '1'\n  name: r/a", "images:\n- newTag: '1'\n  digest: NEW\n  name: r/a"},
		"flow":     {"kustomization.yaml", "images: [{name: r/a, newTag: \"1\"}, {name: r/b, newTag: v1}]\n", "images: [{name: r/a, newTag: \"1\", digest: NEW}, {name: r/b, newTag: v1}]\n"},
		"new name": {"kustomization.yaml", "images:\n- name: a\n  newName: r/a\n  newTag: \"1\"\n", "images:\n- name: a\n  newName: r/a\n  newTag: \"1\"\n  digest: NEW\n"},
		"flux":     {"release.yaml", "kind: A\n---\nspec:\n  images:\n    - name: r/a\n      newTag: \"1\"\n", "kind: A\n---\nspec:\n  images:\n    - name: r/a\n      newTag: \"1\"\n      digest: NEW\n"},
		"patch":    {"patch.yaml", "- op: add\n  path: /spec/images\n  value:\n    - name: r/a\n      newTag: \"1\"\n", "- op: add\n  path: /spec/images\n  value:\n    - name: r/a\n      newTag: \"1\"\n      digest: NEW\n"},
		"twice":    {"a.yaml", "a: {name: r/a, newTag: \"1\"}\nb:\n  name: r/a\n  newTag: \"1\"\n", "a: {name: r/a, newTag: \"1\", digest: NEW}\nb:\n  name: r/a\n  newTag: \"1\"\n  digest: NEW\n"},
	} {
		t.Run(name, func(t *testing.T) {
			test.check(t, func(dir string) ([]string, error) { return overlay.SetBeside(dir, map[string]string{"r/a:1": young}) })
		})
	}
}
