package render

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRoots: without configuration, the clusters are the folders that nothing
// else is made of.
func TestRoots(t *testing.T) {
	kustomization := func(kind string, resources ...string) string {
		return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: " + kind + "\nresources: [" + strings.Join(resources, ", ") + "]\n"
	}
	flux := func(path, more string) string {
		return "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: " + path + more + "}\n"
	}
	const object = "kind: ConfigMap\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"plain": {map[string]string{"clusters/a/a.yaml": object, "clusters/b/b.yaml": object}, "clusters/a clusters/b"},
		"a base of others": {map[string]string{
			"clusters/a/kustomization.yaml": kustomization("Kustomization", "../base"), "clusters/base/kustomization.yaml": kustomization("Kustomization"),
		}, "clusters/a"},
		"parts of a base": {map[string]string{
			"clusters/a/kustomization.yaml": kustomization("Kustomization", "../base/apps"), "clusters/base/apps/kustomization.yaml": kustomization("Kustomization"),
		}, "clusters/a"},
		"a part of another cluster": {map[string]string{
			"clusters/a/kustomization.yaml": kustomization("Kustomization", "../b/apps"), "clusters/b/flux-system/gotk-sync.yaml": flux("./clusters/b", ""),
		}, "clusters/a clusters/b"},
		"a component":        {map[string]string{"clusters/a/a.yaml": object, "clusters/c/kustomization.yaml": kustomization("Component")}, "clusters/a"},
		"a spoke of a hub":   {map[string]string{"clusters/hub/spoke.yaml": flux("./clusters/spoke", ""), "clusters/spoke/a.yaml": object}, "clusters/hub"},
		"parts of a spoke":   {map[string]string{"hub/spoke.yaml": flux("./clusters/spoke/apps", ", kubeConfig: {}"), "clusters/spoke/apps/a.yaml": object, "clusters/a/a.yaml": object}, "clusters/a"},
		"its own parts":      {map[string]string{"clusters/a/apps.yaml": flux("./clusters/a/apps", ""), "clusters/a/apps/a.yaml": object}, "clusters/a"},
		"declared elsewhere": {map[string]string{"bootstrap/a.yaml": flux("./clusters/a", ""), "clusters/a/a.yaml": object}, "clusters/a"},
		"none":               {map[string]string{"hub/spoke.yaml": flux("clusters/a/", ", kubeConfig: {}"), "clusters/a/a.yaml": object}, " (clusters/a is part of what hub/spoke.yaml says)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var folders []string
			for file, text := range test.files {
				writeFile(t, filepath.Join(dir, file), text)
				if parts := strings.Split(file, "/"); parts[0] == "clusters" {
					folders = append(folders, "clusters/"+parts[1])
				}
			}
			slices.Sort(folders)
			kept, why := roots(dir, slices.Compact(folders))
			got := strings.Join(kept, " ")
			if got == "" {
				got = why
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
