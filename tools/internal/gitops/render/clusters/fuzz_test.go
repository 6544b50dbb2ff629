package clusters

import (
	"path/filepath"
	"testing"
)

// FuzzIn looks for clusters in any kustomization and manifest: each cluster is a folder
// of the repository, and its name selects only this cluster.
func FuzzIn(f *testing.F) {
	f.Add("resources: [../b, 'https://127.0.0.1:1/x']\n", root("./clusters/a"))
	f.Add("kind: Component\ncomponents: [..]\n", root("../../.."))
	f.Add("resources: [{}]\n", "instance: {sync: {path: [a]}}\n---\ninstance: {sync: {path: clusters/b}}\n")
	f.Add("", "kind: HelmRelease\nspec: &a {values: {instance: {sync: {path: ./}}, x: *a}}\n")
	f.Fuzz(func(t *testing.T, kustomization, manifest string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "clusters/a/kustomization.yaml"), kustomization)
		write(t, filepath.Join(dir, "clusters/a/sync.yaml"), manifest)
		write(t, filepath.Join(dir, "clusters/b/sync.yaml"), manifest)
		write(t, filepath.Join(dir, "kubernetes/sync.yaml"), manifest)
		all, _, err := In(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if !filepath.IsLocal(c.Path) || !isFolder(dir, c.Path) {
				t.Errorf("%s is no folder of the repository", c.Path)
			}
			if selected, err := Select(all, []string{c.Name}, false); err != nil || len(selected) != 1 || selected[0] != c {
				t.Errorf("%s selects %v: %v", c.Name, selected, err)
			}
		}
	})
}
