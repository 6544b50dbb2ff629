package render

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/helm"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// TestFidelityOfCharts compares the rendering of a HelmRelease with what Helm 4.2.2
// would install, by its command line in helm.yaml: the same objects, but
// for the metadata that Flux and Helm set when they apply them.
func TestFidelityOfCharts(t *testing.T) {
	root := extract(t, "testdata/charts/fidelity.txtar")
	rendering, err := Run(t.Context(), Options{Root: root, Config: config.Config{Clusters: []string{"clusters/*"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	cluster := rendering.Clusters[0]
	if len(cluster.Failures)+len(cluster.Unknowns) > 0 {
		t.Fatal(cluster.Failures, cluster.Unknowns)
	}
	got := map[string]*Object{}
	for _, o := range cluster.Releases[0].Objects {
		got[o.Key().String()] = o
	}

	manifest, err := os.ReadFile(filepath.Join(root, "helm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ssautil.ReadObjects(bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != len(got) || len(want) < 5 {
		t.Fatalf("%d objects, want %d: %v", len(got), len(want), slices.Sorted(maps.Keys(got)))
	}
	for _, u := range want {
		if namespaced, _ := schema.Builtin().Lookup(u.GroupVersionKind()); u.GetNamespace() == "" && namespaced.Namespaced() {
			u.SetNamespace("shop")
		}
		ours := got[KeyOf(u).String()]
		if ours == nil {
			t.Errorf("no %s", KeyOf(u))
			continue
		}
		helm.SetStrings(u, "labels", map[string]string{"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"})
		helm.SetStrings(u, "annotations", map[string]string{"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"})
		if !equality.Semantic.DeepEqual(ours.Object, u.Object) {
			t.Errorf("%s:\n%v\nwant\n%v", KeyOf(u), ours.Object, u.Object)
		}
	}
}

// extract writes the files of an archive into a folder.
func extract(t *testing.T, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := txtar.Write(archive, root); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestHostileCharts gives hostile templates and values to the engine: each is rejected
// with its reason, and none ends the process.
func TestHostileCharts(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for name, test := range map[string]struct{ template, schema, want string }{
		"recursion":        {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "", "nested reference"},
		"recursion of its": {`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, "", "exceeded maximum template depth"},
		"repeated":         {`{{ repeat 1000000000000 "x" }}`, "", "more than any API server takes"},
		"indented":         {`{{ nindent 1000000000000 "x" }}`, "", "more than any API server takes"},
		"less than none":   {`{{ repeat -1 "x" }}`, "", "more than any API server takes"},
		"random":           {`{{ randAlphaNum 1000000000000 }}`, "", "more than any API server takes"},
		"20 MB":            {`{{ range until 10 }}a: {{ repeat 2000000 "x" }}{{ "\n---\n" }}{{ end }}`, "", "the templates make more than 16 MB"},
		"out of range":     {`{{ index (list 1) 5 }}`, "", "out of range"},
		"no template":      {`{{ end }}`, "", "unexpected {{end}}"},
		"an anchor":        {"a: &a {x: *a}", "", "anchor a contains itself"},
		"aliases":          {"a0: &a0 [x,x,x,x,x,x,x,x,x]\n{{ range untilStep 1 12 1 }}a{{ . }}: &a{{ . }} [{{ $p := sub . 1 }}{{ range until 9 }}*a{{ $p }},{{ end }}]\n{{ end }}", "", "its aliases expand"},
		"no API server":    {`a: {{ index .Capabilities.APIVersions 1000000 }}`, "", "out of range"},
		"brackets":         {deep, "", "depth"},
		"no object":        {"just text", "", "wrong node kind"},
		"no kind":          {"metadata: {name: a}", "", "missing"},
		"no schema":        {"", "[", "values.schema.json"},
		"a circle":         {"", `{"$ref": "#"}`, "values.schema.json"},
		"a bad pattern":    {"", `{"pattern": "("}`, "values.schema.json"},
	} {
		t.Run(name, func(t *testing.T) {
			failures := installChart(t, test.template, test.schema)
			if len(failures) == 0 || !strings.Contains(failures[0].Message, test.want) || failures[0].Fix == "" {
				t.Errorf("%v, want a failure with %q", failures, test.want)
			}
		})
	}
}

// installChart renders a release of a chart with one template and a schema, and returns
// the failures.
func installChart(t *testing.T, template, schemaText string) []Failure {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"clusters/c/release.yaml":   "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a, namespace: default}\nspec: {chart: {spec: {chart: chart, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}}\n",
		"chart/Chart.yaml":          "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
		"chart/values.schema.json":  schemaText,
		"chart/templates/some.yaml": template,
	} {
		if text == "" {
			continue
		}
		writeFile(t, filepath.Join(root, filepath.FromSlash(name)), text)
	}
	rendering, err := Run(t.Context(), Options{Root: root, Config: config.Config{Clusters: []string{"clusters/*"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	return rendering.Clusters[0].Failures
}
