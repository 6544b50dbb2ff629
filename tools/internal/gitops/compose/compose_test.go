package compose_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const functions = `apiVersion: pkg.crossplane.io/v1
kind: Function
metadata: {name: function-sales-events}
spec: {package: "ghcr.io/mystique-unicorn/function-sales-events:v1"}
---
apiVersion: pkg.crossplane.io/v1
kind: Function
metadata: {name: function-auto-ready}
spec: {package: "xpkg.crossplane.io/crossplane-contrib/function-auto-ready:v0.5.0"}
`

// composed renders a repository of one cluster, and composes it.
func composed(t *testing.T, files map[string]string) *render.Cluster {
	t.Helper()
	root := t.TempDir()
	files[config.Name] = "clusters: [clusters/*]\n"
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := config.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(t.Context(), render.Options{Root: root, Config: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rendering.Close() })
	cluster := rendering.Clusters[0]
	if err := compose.Run(t.Context(), cluster, inprocess.Functions(nil)); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// platform returns this repository's platform API, and the packages that install its
// functions.
func platform(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"clusters/c/functions.yaml": functions}
	for _, file := range glob(t, "../../../../crossplane/apis/*/*.yaml") {
		if filepath.Base(file) != "kustomization.yaml" {
			files[filepath.Join("clusters/c", filepath.Base(filepath.Dir(file)), filepath.Base(file))] = read(t, file)
		}
	}
	return files
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files: %v", pattern, err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The examples of the platform API compose their golden files here, too, except for
// values that AWS assigns: each cluster's roles name its own issuer.
func TestExamples(t *testing.T) {
	files, want := platform(t), []string{}
	for _, file := range glob(t, "../../../../crossplane/examples/*/*.yaml") {
		if filepath.Base(file) == "auto.yaml" {
			continue // another cluster with the same name
		}
		name := filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))
		files[filepath.Join("clusters/c/examples", name)] = read(t, file)
		want = append(want, documents(t, read(t, filepath.Join("../../../../crossplane/testdata/golden", name)))...)
	}
	cluster := composed(t, files)
	for _, unknown := range uncomposed(cluster) {
		t.Errorf("unknown: %s: %s", unknown.Key, unknown.Reason)
	}
	for _, failure := range cluster.Failures {
		t.Errorf("failure: %s", failure.Message)
	}
	var got []string
	for _, object := range cluster.Composed {
		got = append(got, masked(t, object.Object))
		if object.Composite == nil || object.Locate().File == "" {
			t.Errorf("%s has no composite resource, or no place", object.Key())
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("composed (-golden +got):\n%s", diff)
	}
}

func documents(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	for document := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "\n---\n") {
		object := map[string]any{}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		all = append(all, masked(t, object))
	}
	return all
}

var (
	unknownNATGateway = regexp.MustCompile(`unknown/NATGateway/[a-z-]+/status\.atProvider\.id`)
	unknownInterface  = regexp.MustCompile(`unknown/NATGateway/[a-z-]+/status\.atProvider\.networkInterfaceId`)
)

// masked returns an object's JSON without what AWS assigns.
func masked(t *testing.T, object map[string]any) string {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	data = unknownNATGateway.ReplaceAll(data, []byte("nat-0123456789abcdef0"))
	data = unknownInterface.ReplaceAll(data, []byte("assigned"))
	return strings.NewReplacer(
		"https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF", "ISSUER",
		"oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF", "ISSUER",
		"unknown/Cluster/staging/status.atProvider.identity[0].oidc[0].issuer", "ISSUER",
		"unknown/Cluster/production/status.atProvider.identity[0].oidc[0].issuer", "ISSUER",
		`"version":"1"`, `"version":"VERSION"`,
		"unknown/LaunchTemplate/staging-eks-nodes/status.atProvider.latestVersion", "VERSION",
		"unknown/LaunchTemplate/production-eks-nodes/status.atProvider.latestVersion", "VERSION",
	).Replace(string(data))
}

// Everything that is not composed has a reason and a place.
func TestNotComposed(t *testing.T) {
	queue := read(t, "../../../../crossplane/examples/eventqueues/minimal.yaml")
	for _, c := range []struct {
		name, edit     string // a txtar of files that replace others; an empty file is removed
		unknown, fatal string
	}{
		{"no function", "-- clusters/c/functions.yaml --\n", "step compose of its Composition eventqueues.platform.mystique-unicorn.io: the cluster does not install the function function-sales-events", ""},
		{
			"another function", "-- clusters/c/functions.yaml --\n" + strings.ReplaceAll(functions, "ghcr.io/mystique-unicorn/function-sales-events", "example.com/function"),
			"step compose of its Composition eventqueues.platform.mystique-unicorn.io: the function example.com/function runs in Crossplane only", "",
		},
		{"no Composition", "-- clusters/c/eventqueues/composition.yaml --\n", "the cluster has no Composition for it", ""},
		{
			"two Compositions", "-- clusters/c/other.yaml --\n" + strings.Replace(read(t, "../../../../crossplane/apis/eventqueues/composition.yaml"), "name: eventqueues", "name: other", 1),
			"the cluster has 2 Compositions for it: name one in spec.crossplane.compositionRef", "",
		},
		{
			"a name that is taken", "-- clusters/c/queue.yaml --\n" + strings.Replace(queue, "name: reliable-q", "name: reliable-q-dlq", 1),
			"", `EventQueue reliable-q-dlq: metadata.name: queue name "reliable-q-dlq" ends in -dlq, as the dead-letter queue of another one does`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := platform(t)
			files["clusters/c/queue.yaml"] = queue
			for _, file := range txtar.Parse([]byte(c.edit)).Files {
				files[file.Name] = string(file.Data)
				if len(file.Data) == 0 {
					delete(files, file.Name)
				}
			}
			cluster := composed(t, files)
			var unknown, fatal string
			for _, u := range uncomposed(cluster) {
				unknown += u.Reason
			}
			for _, f := range cluster.Failures {
				fatal += f.Message
				if at := f.At.String(); at != "clusters/c/queue.yaml:4:9" && at != "clusters/c/queue.yaml:4" {
					t.Errorf("the failure is at %s, not at the name", at)
				}
			}
			if unknown != c.unknown || fatal != c.fatal {
				t.Errorf("unknown %q, fatal %q; want %q, %q", unknown, fatal, c.unknown, c.fatal)
			}
			if len(cluster.Composed) > 0 {
				t.Errorf("composed %d objects", len(cluster.Composed))
			}
		})
	}
}

// uncomposed returns the composite resources whose composed resources are unknown.
func uncomposed(cluster *render.Cluster) []render.Unknown {
	return slices.DeleteFunc(slices.Clone(cluster.Unknowns), func(u render.Unknown) bool { return u.Hides != render.HidesComposed })
}
