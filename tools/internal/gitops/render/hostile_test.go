package render_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// rootOf declares a Kustomization for each folder, with the folder's name.
func rootOf(names ...string) string {
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\n"+
			"spec: {path: ./%s, prune: true, sourceRef: {kind: GitRepository, name: flux-system}, postBuild: {substitute: {A: b}}}\n", name, name)
	}
	return text.String()
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n"

// TestHostileInput gives hostile input to one Kustomization, next to a good one. The
// first may fail, at a named file; the second is always rendered.
func TestHostileInput(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	keys := strings.Builder{}
	for i := range 1_000_000 {
		fmt.Fprintf(&keys, "  k%d: a\n", i)
	}
	doubling := "resources: [a.yaml]\npatches:\n  - target: {kind: ConfigMap}\n    patch: |\n"
	for i := range 40 {
		doubling += fmt.Sprintf("      - {op: copy, from: /data, path: /data/c%d}\n", i)
	}
	diamonds := map[string]string{}
	for i := range 40 {
		diamonds[fmt.Sprintf("app/d%d/kustomization.yaml", i)] = fmt.Sprintf("resources: [../d%d]\ncomponents: [../d%d]\n", i+1, i+1)
	}
	diamonds["app/kustomization.yaml"], diamonds["app/d40/kustomization.yaml"] = "resources: [d0]\n", "resources: []\n"

	for name, test := range map[string]struct {
		files map[string]string
		want  string // text of the failure; empty if the input is harmless
		at    string
	}{
		"aliases that multiply":         {map[string]string{"app/a.yaml": configMap + bomb}, "its aliases expand to more than 10000 values", "app/a.yaml"},
		"aliases in a kustomization":    {map[string]string{"app/kustomization.yaml": bomb}, "its aliases expand to more than 10000 values", "app/kustomization.yaml"},
		"an anchor within itself":       {map[string]string{"app/a.yaml": configMap + "data: &a\n  x: *a\n"}, "anchor a contains itself", "app/a.yaml"},
		"an anchor within a file":       {map[string]string{"app/kustomization.yaml": "resources: [a.txt]\n", "app/a.txt": configMap + "data: &a {x: *a}\n"}, "anchor a contains itself", "app/a.txt"},
		"10 MB of keys":                 {map[string]string{"app/a.yaml": configMap + "data:\n" + keys.String()}, "a mapping has more than 10000 keys", "app/a.yaml"},
		"10 MB of text":                 {map[string]string{"app/a.yaml": configMap + "data:\n  a: " + strings.Repeat("x", 10<<20) + "\n"}, "", ""},
		"20 MB":                         {map[string]string{"app/a.yaml": configMap + "data:\n  a: " + strings.Repeat("x", 20<<20) + "\n"}, "the file has 20 MB", "app/a.yaml"},
		"10 MB of brackets":             {map[string]string{"app/a.yaml": configMap + "data: " + strings.Repeat("[", 10<<20) + "\n"}, "exceeded max depth", "app/a.yaml"},
		"variables within variables":    {map[string]string{"app/a.yaml": configMap + "data:\n  a: '" + strings.Repeat("${A:-", 1<<20) + "'\n"}, "more than 100000 variables", "app/a.yaml"},
		"many variables without value":  {map[string]string{"app/a.yaml": configMap + "data:\n  a: '" + manyVariables(5000) + "'\n"}, "has neither a value nor a default", "app/a.yaml"},
		"a patch that doubles":          {map[string]string{"app/kustomization.yaml": doubling, "app/a.yaml": configMap + "data: {a: " + strings.Repeat("x", 1000) + "}\n"}, "accumulated size", "app/kustomization.yaml"},
		"a path out of the repository":  {map[string]string{"app/kustomization.yaml": "resources: [../../../../../../../../etc/hostname]\n"}, "which is not in the source", "app/kustomization.yaml"},
		"a file out of the repository":  {map[string]string{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [../../../../../../../../etc/hostname]}]\n"}, "kustomize build failed", "app/kustomization.yaml"},
		"an absolute path":              {map[string]string{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [/etc/hostname]}]\n"}, "kustomize build failed", "app/kustomization.yaml"},
		"a link out of the repository":  {map[string]string{"app/kustomization.yaml": "resources: [link.yaml]\n", "app/link.yaml": "-> /etc/hostname"}, "which is not in the source", "app/kustomization.yaml"},
		"a folder out of the source":    {map[string]string{"app/kustomization.yaml": "resources: [out]\n", "app/out": "-> /etc"}, "which is not in the source", "app/kustomization.yaml"},
		"components in a circle":        {map[string]string{"app/kustomization.yaml": "components: [c]\n", "app/c/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ncomponents: [../d]\n", "app/d/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ncomponents: [../c]\n"}, "includes app/d/kustomization.yaml in turn", "app/d/kustomization.yaml"},
		"folders included twice, again": {diamonds, "more than 5000 kustomization files", "app/kustomization.yaml"},
		"bytes that are no text":        {map[string]string{"app/a.yaml": configMap + "data:\n  a: \xff\xfe\n"}, "invalid", "app/a.yaml"},
		"a kustomization of bytes":      {map[string]string{"app/kustomization.yaml": "\x00\xff\xfe"}, "kustomize build failed", "app/kustomization.yaml"},
		"a program":                     {map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ngenerators: [g.yaml]\n", "app/a.yaml": configMap, "app/g.yaml": "apiVersion: x/v1\nkind: G\nmetadata: {name: g, annotations: {config.kubernetes.io/function: 'exec: {path: /bin/true}'}}\n"}, "kustomize build failed", "app/"},
		"helm":                          {map[string]string{"app/kustomization.yaml": "helmCharts: [{name: a, repo: https://127.0.0.1:1, version: '1'}]\n"}, "kustomize build failed", "app/kustomization.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "clusters/c/apps.yaml", []byte(rootOf("app", "fine")))
			write(t, root, "fine/a.yaml", []byte(configMap))
			for file, text := range test.files {
				if target, link := strings.CutPrefix(text, "-> "); link {
					if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.Symlink(target, filepath.Join(root, file)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				write(t, root, file, []byte(text))
			}
			cluster := run(t, render.Options{Root: root}).Clusters[0]
			if fine := cluster.Kustomizations[len(cluster.Kustomizations)-1]; fine.Name != "fine" || len(fine.Objects) != 1 {
				t.Errorf("%s has %d objects", fine, len(fine.Objects))
			}
			switch {
			case test.want == "":
				if len(cluster.Failures) > 0 {
					t.Errorf("failure: %.300s", cluster.Failures[0].Message)
				}
			case len(cluster.Failures) == 0:
				t.Errorf("no failure, want %q", test.want)
			default:
				failure := cluster.Failures[0]
				if !strings.Contains(failure.Message, test.want) || !strings.HasPrefix(failure.At.File, test.at) {
					t.Errorf("at %s: %.300s\nwant %q at %s", failure.At, failure.Message, test.want, test.at)
				}
				if strings.Contains(failure.Message, os.TempDir()) {
					t.Errorf("the failure names a folder that nobody knows: %.300s", failure.Message)
				}
			}
		})
	}
}

func manyVariables(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "${V%d} ", i)
	}
	return text.String()
}

// TestThousandKustomizations renders a chain that is declared in the wrong order; each
// link has a source, variables and a parent that waits.
func TestThousandKustomizations(t *testing.T) {
	const links = 1000
	root := t.TempDir()
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: facts, namespace: flux-system}\ndata: {A: b}\n")
	for i := range links {
		fmt.Fprintf(&text, "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k%04d, namespace: flux-system}\n"+
			"spec: {path: ./app, wait: true, sourceRef: {kind: ExternalArtifact, name: made}, postBuild: {substituteFrom: [{kind: ConfigMap, name: facts}]}", i)
		if i < links-1 {
			fmt.Fprintf(&text, ", dependsOn: [{name: k%04d}]", i+1)
		}
		text.WriteString("}\n")
	}
	write(t, root, "clusters/c/apps.yaml", []byte(text.String()))
	write(t, root, "clusters/c/made.yaml", []byte("apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: made, namespace: flux-system}\n"+
		"spec: {sources: [{alias: r, kind: GitRepository, name: flux-system}], artifacts: [{name: made, copy: [{from: '@r/app/**', to: '@artifact/app/'}]}]}\n"))
	write(t, root, "app/a.yaml", []byte(configMap+"data: {a: '${A}'}\n"))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	settings, err := config.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(ctx, render.Options{Root: root, Config: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	cluster := rendering.Clusters[0]
	if len(cluster.Failures)+len(cluster.Unknowns) > 0 || len(cluster.Kustomizations) != links+1 {
		t.Fatalf("%d Kustomizations, failures %v, unknowns %v", len(cluster.Kustomizations), cluster.Failures, cluster.Unknowns)
	}
	for i, k := range cluster.Kustomizations[1:] {
		if want := fmt.Sprintf("k%04d", links-1-i); k.Name != want || len(k.Objects) != 1 {
			t.Fatalf("place %d: %s with %d objects, want %s", i, k, len(k.Objects), want)
		}
	}
}

// TestDeadline ends a run that takes too long.
func TestDeadline(t *testing.T) {
	root := t.TempDir()
	write(t, root, "clusters/c/apps.yaml", []byte(rootOf("app")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	settings, err := config.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := render.Run(ctx, render.Options{Root: root, Config: settings}); err == nil {
		t.Error("a cancelled run went on")
	}
}

// TestNoNetwork renders every repository in testdata with a git and a proxy that would
// report any use.
func TestNoNetwork(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	write(t, dir, "git", []byte("#!/bin/sh\ncase \"$3\" in ls-files) ;; *) echo \"$@\" >>"+asked+" ;; esac\nexit 1\n"))
	if err := os.Chmod(filepath.Join(dir, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Close()
			t.Error("the network was asked")
		}
	}()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("HTTP_PROXY", "http://"+listener.Addr().String())
	t.Setenv("HTTPS_PROXY", "http://"+listener.Addr().String())

	root := t.TempDir()
	port := listener.Addr().(*net.TCPAddr).Port
	local := fmt.Sprintf("http://127.0.0.1:%d/", port)
	for name, kustomization := range map[string]string{
		"resources":    "resources: [%sa.yaml]\n",
		"components":   "components: [%sorg/repo]\n",
		"bases":        "bases: ['%sorg/repo//x?ref=y']\n",
		"crds":         "crds: [%sa.json]\n",
		"generators":   "generators: [%sa.yaml]\n",
		"validators":   "validators: [%sa.yaml]\n",
		"files":        "secretGenerator: [{name: a, files: [x=%sa]}]\n",
		"envs":         "configMapGenerator: [{name: a, envs: [%sa]}]\n",
		"env":          "configMapGenerator: [{name: a, env: %sa}]\n",
		"patch":        "patches: [{path: %sa.yaml}]\n",
		"merge":        "patchesStrategicMerge: [%sa.yaml]\n",
		"json":         "patchesJson6902: [{path: %sa.yaml, target: {kind: A, name: b, version: v1}}]\n",
		"replacements": "replacements: [{path: %sa.yaml}]\n",
		"openapi":      "openapi: {path: %sa.json}\n",
		"settings":     "configurations: [%sa.yaml]\n",
		"git":          "resources: ['git::%sorg/repo']\n",
	} {
		write(t, root, name+"/kustomization.yaml", fmt.Appendf(nil, kustomization, local))
		write(t, root, "clusters/c/"+name+".yaml", []byte(rootOf(name)))
	}
	cluster := run(t, render.Options{Root: root}).Clusters[0]
	if len(cluster.Failures) > 0 || len(cluster.Unknowns) != 16 {
		t.Errorf("%d unknowns, failures %v", len(cluster.Unknowns), cluster.Failures)
	}
	if log, err := os.ReadFile(asked); err == nil {
		t.Errorf("git was asked: %s", log)
	}
}
