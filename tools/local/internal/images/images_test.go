package images

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ssautils "github.com/fluxcd/pkg/ssa/utils"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/coredns"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

const root = "../../../.."

// container is an image in a manifest, of a container or of a Crossplane package.
type container struct{ image, command string }

// The node can pull only these images. Each image that a manifest of the local cluster
// uses is among them, with its tag and its program's path, and no other image is made.
func TestSpecsAreWhatTheClusterRuns(t *testing.T) {
	set, err := engines.Load(filepath.Join(root, "tools/engines"), "/cache")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := Specs(t.Context(), root, set)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]image.Spec{}
	for _, spec := range specs {
		byName[spec.Name+":"+spec.Tag] = spec
	}
	used := map[string]bool{}
	for _, c := range append(containers(t, set), container{image: Sandbox}) {
		ref, err := name.ParseReference(c.image)
		if err != nil {
			t.Error(err)
			continue
		}
		key := ref.Context().RepositoryStr() + ":" + ref.Identifier()
		spec, found := byName[key]
		if !found {
			t.Errorf("a manifest runs %s, which is not built", c.image)
			continue
		}
		used[key] = true
		if c.command != "" && c.command != spec.Entrypoint {
			t.Errorf("a manifest runs %s in %s, whose program is %s", c.command, c.image, spec.Entrypoint)
		}
	}
	for key := range byName {
		if !used[key] {
			t.Errorf("%s is built and no manifest runs it", key)
		}
	}
}

// Every program in an image is one that its engine builds, and every package of ours
// exists.
func TestSpecsCanBeBuilt(t *testing.T) {
	set, err := engines.Load(filepath.Join(root, "tools/engines"), "/cache")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := Specs(t.Context(), root, set)
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, engine := range set {
		for _, pkg := range engine.Programs {
			programs = append(programs, engine.Program(path.Base(pkg)))
		}
	}
	for _, spec := range specs {
		if spec.Binary != "" && !slices.Contains(programs, spec.Binary) {
			t.Errorf("%s holds %s, which no engine builds", spec.Name, spec.Binary)
		}
		if found, err := filepath.Glob(filepath.Join(spec.Dir, spec.Package, "*.go")); spec.Package != "" && len(found) == 0 {
			t.Errorf("%s holds %s, which is no package: %v", spec.Name, spec.Package, err)
		}
	}
}

// Files that no image of the set has are removed, and so is an incomplete upload.
func TestKeepRemoves(t *testing.T) {
	r := newRegistry(t)
	set := r.push(t)
	pushed := r.blobs(t)
	for _, other := range []string{"0123", ".0123456789"} {
		if err := os.WriteFile(filepath.Join(r.dir, "blobs", "sha256", other), []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Keep(filepath.Join(r.dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if left := r.blobs(t); len(pushed) != 2 || !slices.Equal(left, pushed) {
		t.Errorf("pushed %q, left %q", pushed, left)
	}
}

// A program that has not changed since the last start is not read again.
func TestKeepRemembers(t *testing.T) {
	r := newRegistry(t)
	if err := r.push(t).Keep(filepath.Join(r.dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	pushed := r.blobs(t)
	info, err := os.Stat(r.program())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		modified time.Time
		blobs    int
	}{
		{info.ModTime(), len(pushed)},
		{info.ModTime().Add(time.Millisecond), len(pushed) + 2},
	} {
		if err := os.WriteFile(r.program(), []byte("PROGRAM"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(r.program(), test.modified, test.modified); err != nil {
			t.Fatal(err)
		}
		r.push(t)
		if blobs := r.blobs(t); len(blobs) != test.blobs {
			t.Errorf("modified at %s: %d blobs, want %d", test.modified, len(blobs), test.blobs)
		}
	}
}

// testRegistry is a registry with its folder blobs, beside a program and the folder
// programs.
type testRegistry struct{ dir, address string }

func newRegistry(t *testing.T) testRegistry {
	t.Helper()
	r := testRegistry{dir: t.TempDir()}
	for _, dir := range []string{"blobs", "programs"} {
		if err := os.Mkdir(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.program(), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	blobs := registry.NewDiskBlobHandler(filepath.Join(r.dir, "blobs"))
	server := httptest.NewServer(registry.New(registry.WithBlobHandler(blobs), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	return r
}

func (r testRegistry) program() string { return filepath.Join(r.dir, "program") }

func (r testRegistry) push(t *testing.T) *Set {
	t.Helper()
	specs := []image.Spec{{Name: "keda", Tag: "v1", Binary: r.program()}}
	set, err := Push(t.Context(), specs, filepath.Join(r.dir, "programs"), r.address, progress.New(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (r testRegistry) blobs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The provider's packages have the activated kinds and the family's own kinds. Their
// definitions are those that validate uses, without descriptions.
func TestProviderDefinitionsAreValidates(t *testing.T) {
	set, err := engines.Load(filepath.Join(root, "tools/engines"), "/cache")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := providerSpecs(t.Context(), root, set["provider-aws"])
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(root, "tools/internal/gitops/schema/schemas.zip"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := definition.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, spec := range specs {
		if bytes.Contains(spec.CrossplanePackage, []byte("description: ")) {
			t.Errorf("%s describes a field", spec.Name)
		}
		for _, crd := range definitionsOf(t, spec.CrossplanePackage) {
			kinds = append(kinds, crd.Name)
			found, err := definition.FromCRD(crd)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range found {
				validates, err := archive.Read(d.GroupVersionKind)
				if err != nil {
					t.Error(err)
				} else if !reflect.DeepEqual(d, validates) {
					t.Errorf("%s is another in %s than validate has", d.GroupVersionKind, spec.Name)
				}
			}
		}
	}
	activated, err := providertrim.Activated(filepath.Join(root, "infrastructure/crossplane/packages/base/activation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(familyKinds, activated); !slices.Equal(kinds, want) {
		t.Errorf("the packages have %q, want %q", kinds, want)
	}
}

// definitionsOf returns the CustomResourceDefinitions of a package, after its metadata.
func definitionsOf(t *testing.T, content []byte) []*apiextensions.CustomResourceDefinition {
	t.Helper()
	var found []*apiextensions.CustomResourceDefinition
	for _, document := range bytes.Split(content, []byte("---\n"))[1:] {
		crd := &apiextensions.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(document, crd); err != nil {
			t.Fatal(err)
		}
		found = append(found, crd)
	}
	return found
}

// containers returns the images of everything that the local cluster applies, by Flux and
// before it.
func containers(t *testing.T, set engines.Set) []container {
	t.Helper()
	settings, err := config.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(t.Context(), render.Options{Root: root, Clusters: []string{"local"}, Config: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	var found []container
	objects, err := ssautils.ReadObjects(bytes.NewReader(beforeFlux(t, set)))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		found = append(found, containersOf(o.Object)...)
	}
	for _, cluster := range rendering.Clusters {
		for _, failure := range cluster.Failures {
			t.Error(failure.Message)
		}
		for _, unknown := range cluster.Unknowns {
			t.Errorf("%s: %s", unknown.Key, unknown.Reason)
		}
		for _, o := range cluster.Objects() {
			found = append(found, containersOf(o.Object)...)
		}
	}
	return found
}

// beforeFlux returns what up applies itself: DNS and Flux.
func beforeFlux(t *testing.T, set engines.Set) []byte {
	t.Helper()
	controllers, err := flux.Controllers(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := flux.Build(flux.Options{Controllers: controllers})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(coredns.Manifest(set["coredns"].Version), []byte("\n---\n"), manifests)
}

func containersOf(content any) []container {
	var found []container
	switch c := content.(type) {
	case []any:
		for _, item := range c {
			found = append(found, containersOf(item)...)
		}
	case map[string]any:
		if image, ok := c["image"].(string); ok {
			command, _ := c["command"].([]any)
			first := ""
			if len(command) > 0 {
				first, _ = command[0].(string)
			}
			found = append(found, container{image, first})
		}
		if pkg, ok := c["package"].(string); ok {
			found = append(found, container{image: pkg})
		}
		for _, item := range c {
			found = append(found, containersOf(item)...)
		}
	}
	return found
}
