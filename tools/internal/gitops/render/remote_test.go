package render

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInstalls(t *testing.T) {
	for entry, want := range map[string][2]string{
		"https://github.com/fluxcd/flux2/releases/download/v2.3.0/install.yaml":           {"flux2", "v2.3.0"},
		"https://github.com/fluxcd/flux2//manifests/install?ref=v2.5.1":                   {"flux2", "v2.5.1"},
		"github.com/kedacore/keda//config/default?timeout=90s&ref=v2.17.0":                {"keda", "v2.17.0"},
		"https://raw.githubusercontent.com/kedacore/keda/v2.17.0/config/crd/bases/a.yaml": {"keda", "v2.17.0"},
		"https://raw.githubusercontent.com/a/b/refs/tags/1.2.3-rc.1/a.yaml":               {"b", "1.2.3-rc.1"},
		"git@github.com:crossplane/crossplane.git?ref=v2.4.0":                             {"crossplane", "v2.4.0"},
		"https://github.com/fluxcd/flux2/releases/latest/download/install.yaml":           {"flux2", ""},
		"https://github.com/rancher/system-upgrade-controller?ref=main":                   {"system-upgrade-controller", ""},
		"https://example.com/keda/v2.17.0/keda.yaml":                                      {"", ""},
	} {
		name, version := Unknown{Entry: entry}.Installs()
		if got := [2]string{name, version}; got != want {
			t.Errorf("%s: %q, want %q", entry, got, want)
		}
	}
}

// Flux's additions to a kustomization count, and the network is not used, even if the
// temporary folder is a link, as on macOS.
func TestTemporaryFolderBehindALink(t *testing.T) {
	link, root := filepath.Join(t.TempDir(), "link"), t.TempDir()
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", link)
	for name, text := range map[string]string{
		"clusters/c/app.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: app, namespace: flux-system}\n" +
			"spec: {path: ./app, targetNamespace: x, sourceRef: {kind: GitRepository, name: flux-system}}\n",
		"app/kustomization.yaml": "resources: [a.yaml, 'https://127.0.0.1:1/b.yaml']\n",
		"app/a.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
	} {
		writeFile(t, filepath.Join(root, name), text)
	}
	rendering, err := Run(t.Context(), Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	cluster := rendering.Clusters[0]
	objects := cluster.Objects()
	if last := objects[len(objects)-1]; len(cluster.Unknowns) != 1 || last.GetName() != "a" || last.GetNamespace() != "x" {
		t.Errorf("%s, unknown %v", last.Key(), cluster.Unknowns)
	}
}
