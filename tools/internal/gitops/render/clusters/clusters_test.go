package clusters

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"

func kustomize(kind string, resources ...string) string {
	return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: " + kind + "\nresources: [" + strings.Join(resources, ", ") + "]\n"
}

func flux(path, more string) string { return applying("apps", path, more) }

func applying(name, path, more string) string {
	return "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name +
		", namespace: flux-system}\nspec: {path: " + path + more + "}\n"
}

// root returns what `flux bootstrap` writes.
func root(path string) string { return object + applying("flux-system", path, "") }

// TestIn: without configuration, the clusters are the folders that the manifests declare
// as such, and folders with Kustomizations that nothing else uses.
func TestIn(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"plain": {map[string]string{"clusters/a/a.yaml": object, "clusters/b/b.yaml": object}, "a=clusters/a b=clusters/b"},
		"a base of others": {map[string]string{
			"clusters/a/kustomization.yaml": kustomize("Kustomization", "../base"), "clusters/base/kustomization.yaml": kustomize("Kustomization"),
		}, "a=clusters/a"},
		"parts of a base": {map[string]string{
			"clusters/a/kustomization.yaml":         kustomize("Kustomization", "../base/apps"),
			"clusters/base/apps/kustomization.yaml": kustomize("Kustomization"),
		}, "a=clusters/a"},
		"a part of another cluster": {map[string]string{
			"clusters/a/kustomization.yaml":         kustomize("Kustomization", "../b/apps"),
			"clusters/b/flux-system/gotk-sync.yaml": flux("./clusters/b", ""), "clusters/a/apps.yaml": flux("./apps", ""),
		}, "a=clusters/a b=clusters/b"},
		"a component":      {map[string]string{"clusters/a/a.yaml": object, "clusters/c/kustomization.yaml": kustomize("Component")}, "a=clusters/a"},
		"a spoke of a hub": {map[string]string{"clusters/hub/spoke.yaml": flux("./clusters/spoke", ""), "clusters/spoke/a.yaml": object}, "hub=clusters/hub"},
		"parts of a spoke": {map[string]string{
			"hub/spoke.yaml": flux("./clusters/spoke/apps", ", kubeConfig: {}"), "clusters/spoke/apps/a.yaml": object, "clusters/a/a.yaml": object,
		}, "a=clusters/a"},
		"its own parts":      {map[string]string{"clusters/a/apps.yaml": flux("./clusters/a/apps", ""), "clusters/a/apps/a.yaml": object}, "a=clusters/a"},
		"declared elsewhere": {map[string]string{"bootstrap/a.yaml": flux("./clusters/a", ""), "clusters/a/a.yaml": object}, "a=clusters/a"},
		"none": {map[string]string{
			"hub/spoke.yaml": flux("clusters/a/", ", kubeConfig: {}"), "clusters/a/a.yaml": object,
		}, " (clusters/a is part of what hub/spoke.yaml says)"},

		"below an environment": {map[string]string{
			"clusters/dev/00/sync.yaml": root("./clusters/dev/00"), "clusters/dev/01/sync.yaml": root("./clusters/dev/01"),
			"clusters/prd/00/flux-system/gotk-sync.yaml": root("clusters/prd/00/"), "clusters/base/a.yaml": object,
		}, "dev/00=clusters/dev/00 01=clusters/dev/01 prd/00=clusters/prd/00"},
		"one that nobody has bootstrapped yet": {map[string]string{
			"clusters/a/sync.yaml": root("./clusters/a"), "clusters/b/apps.yaml": flux("./apps", ""), "clusters/common/a.yaml": object,
		}, "a=clusters/a b=clusters/b"},
		"another root": {map[string]string{
			"kubernetes/main/flux-system/gotk-sync.yaml": root("./kubernetes/main"), "kubernetes/main/apps.yaml": flux("./kubernetes/apps", ""),
		}, "main=kubernetes/main"},
		"the whole repository": {map[string]string{"flux-system/gotk-sync.yaml": root("./"), "clusters/a/a.yaml": object}, ".=."},
		"spokes with a root of their own": {map[string]string{
			"clusters/hub/sync.yaml": root("./clusters/hub"), "clusters/hub/spoke.yaml": flux("./clusters/spoke", ", kubeConfig: {}"),
			"clusters/spoke/flux-system/gotk-sync.yaml": root("./clusters/spoke"), "clusters/spoke2/sync.yaml": root("./clusters/spoke2"),
			"clusters/hub/spoke2.yaml": flux("./clusters/spoke2", ""),
		}, "hub=clusters/hub spoke=clusters/spoke spoke2=clusters/spoke2"},
		"an instance": {map[string]string{
			"bootstrap/instance.yaml": "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nspec: {sync: {path: ./fleet/one}}\n", "fleet/one/a.yaml": object,
		}, "one=fleet/one"},
		"an instance of another repository": {map[string]string{
			"clusters/a/instance.yaml": "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nspec: {sync: {path: ./fleet/one}}\n",
		}, "a=clusters/a"},
		"an instance by its chart": {map[string]string{
			"kubernetes/apps/flux/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    instance: {sync: {path: kubernetes/flux/cluster}}\n",
			"kubernetes/flux/cluster/ks.yaml":   flux("./kubernetes/apps", ""),
		}, "cluster=kubernetes/flux/cluster"},
		"an instance by its values": {map[string]string{
			"bootstrap/values.yaml": "instance:\n  sync:\n    path: kubernetes/flux/cluster\n", "kubernetes/flux/cluster/ks.yaml": flux("./kubernetes/apps", ""),
		}, "cluster=kubernetes/flux/cluster"},
		"a root of another name": {map[string]string{
			"kubernetes/flux/config/cluster.yaml": flux("./kubernetes/flux", ""), "kubernetes/flux/apps.yaml": flux("./kubernetes/apps", ""),
			"kubernetes/apps/a/ks.yaml": flux("./kubernetes/apps/a", ""),
		}, "flux=kubernetes/flux"},
		"a root that only the cluster has": {map[string]string{
			"kubernetes/flux/apps.yaml": flux("./kubernetes/apps", ""), "kubernetes/apps/a/ks.yaml": flux("./kubernetes/apps/a/app", ""),
		}, "flux=kubernetes/flux"},
		"the root of another repository": {map[string]string{"clusters/a/apps.yaml": flux("./", "")}, "a=clusters/a"},
		"templates": {map[string]string{
			"clusters/a/a.yaml": object, "templates/sync.yaml": "{{ if .Values.sync }}\n" + root("./templates") + "{{ end }}\n",
		}, "a=clusters/a"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range test.files {
				write(t, filepath.Join(dir, file), text)
			}
			found, why, err := In(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, c := range found {
				list = append(list, c.Name+"="+c.Path)
			}
			got := strings.Join(list, " ")
			if got == "" {
				got = why
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	all := named([]string{"clusters/00", "clusters/dev/00", "clusters/dev/01", "clusters/prd/00"})
	for name, want := range map[string]string{
		"01": "clusters/dev/01", "dev/00": "clusters/dev/00", "clusters/dev/01/": "clusters/dev/01", "clusters/00": "clusters/00",
		"00": "cluster 00 is ambiguous: name one of clusters/00, clusters/dev/00, clusters/prd/00",
		"1":  "no cluster 1: there are clusters/00, clusters/dev/00, clusters/dev/01, clusters/prd/00",
	} {
		selected, err := Select(all, []string{name}, false)
		got := paths(selected)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if selected, err := Select(all, []string{"none", "01", "dev/01"}, true); err != nil || len(selected) != 1 {
		t.Errorf("%v, %v: want the one that there is, once", selected, err)
	}
	for _, c := range all {
		if selected, err := Select(all, []string{c.Name}, false); err != nil || selected[0] != c {
			t.Errorf("%s selects %v: %v", c.Name, selected, err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
