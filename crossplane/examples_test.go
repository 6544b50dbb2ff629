package crossplane_test

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every example of a composite resource composes exactly its golden file, and the
// provider's definitions accept all of it.
func TestExamples(t *testing.T) {
	goldens, err := filepath.Glob("testdata/golden/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rest := map[string]bool{}
	for _, golden := range goldens {
		rest[golden] = true
	}
	for plural := range allAPIs(t) {
		if len(examplesOf(t, plural)) == 0 {
			t.Errorf("crossplane/examples/%s: no example", plural)
		}
		for _, file := range examplesOf(t, plural) {
			golden := filepath.Join("testdata", "golden", plural, filepath.Base(file))
			delete(rest, golden)
			t.Run(plural+"/"+filepath.Base(file), func(t *testing.T) {
				checkGolden(t, golden, compose(t, readExample(t, plural, file)))
			})
		}
	}
	for golden := range rest {
		t.Errorf("%s: no example composes this", golden)
	}
}

func examplesOf(t testing.TB, plural string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("examples", plural, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// readExample reads an XR, and does what the API server does before Crossplane sees it.
func readExample(t testing.TB, plural, file string) *unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	xr, err := decode(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, refused := range allAPIs(t)[plural].admit(xr, nil) {
		t.Fatalf("%s: %v", file, refused)
	}
	return xr
}

// compose returns what an XR composes once everything that it needs exists.
func compose(t testing.TB, xr *unstructured.Unstructured) outcome {
	t.Helper()
	got := runToTheEnd(t, xr)
	if got.fatal != "" {
		t.Fatal(got.fatal)
	}
	for _, object := range got.objects() {
		for _, refused := range admitComposed(t, object) {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), refused)
		}
	}
	return got
}

func checkGolden(t *testing.T, golden string, got outcome) {
	t.Helper()
	var text strings.Builder
	for _, object := range got.objects() {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("---\n")
		text.Write(document)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v: go test ./crossplane -update writes it", err)
	}
	if diff := gocmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got), go test ./crossplane -update rewrites it:\n%s", golden, diff)
	}
}

// runToTheEnd calls the function with its own result, ready and with the values that AWS
// assigns, until it composes no more.
func runToTheEnd(t testing.TB, xr *unstructured.Unstructured) outcome {
	t.Helper()
	w := world{others: othersOf(xr), composed: map[string]*unstructured.Unstructured{}}
	for range 5 {
		got := run(t, xr, w)
		if got.fatal != "" || len(got.composed) == len(w.composed) {
			return got
		}
		for id, object := range got.composed {
			observed := object.DeepCopy()
			observed.Object["status"] = map[string]any{
				"conditions": []any{condition("Synced", true, ""), condition("Ready", true, "")},
				"atProvider": usable(t, object),
			}
			w.composed[id] = observed
		}
	}
	t.Fatal("the function composes ever more resources")
	return outcome{}
}

// usable returns the status of a working resource, with the values that AWS assigns, as
// far as the function reads them.
func usable(t testing.TB, object *unstructured.Unstructured) map[string]any {
	t.Helper()
	reported := map[string]any{}
	paved := fieldpath.Pave(map[string]any{"status": map[string]any{"atProvider": reported}})
	for path, value := range function.Assigned()[object.GroupVersionKind()] {
		var reports any = cmp.Or(value, "assigned")
		if shown, found := assigned[path]; found {
			reports = shown
		}
		if err := paved.SetValue(path, reports); err != nil {
			t.Fatal(err)
		}
	}
	return reported
}

// assigned has the values that AWS assigns and golden files show.
var assigned = map[string]any{
	"status.atProvider.identity[0].oidc[0].issuer": issuer,
	"status.atProvider.latestVersion":              int64(1),
	"status.atProvider.id":                         "nat-0123456789abcdef0",
}

// issuer is the issuer that EKS assigns in golden files.
const issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

// othersOf returns the EKSCluster and the Network that an XR refers to, with the status
// of existing ones.
func othersOf(xr *unstructured.Unstructured) []*unstructured.Unstructured {
	name, _, _ := unstructured.NestedString(xr.Object, "spec", "clusterName")
	var others []*unstructured.Unstructured
	for kind, status := range map[string]map[string]any{"EKSCluster": {"oidcIssuer": issuer}, "Network": {"egress": true}} {
		other := &unstructured.Unstructured{Object: map[string]any{"status": status}}
		other.SetAPIVersion(xr.GetAPIVersion())
		other.SetKind(kind)
		other.SetName(name)
		other.SetNamespace(xr.GetNamespace())
		others = append(others, other)
	}
	return others
}
