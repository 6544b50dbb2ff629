package render

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	securefs "github.com/fluxcd/pkg/kustomize/filesys"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// builder builds Kustomizations, those of several clusters at the same time. What
// is built twice from the same content, as a controller in several clusters, is
// built once.
type builder struct {
	built  // of what the memory does not hold
	memory *Memory
	ready  chan struct{} // closed once kustomize has its schema
}

func newBuilder(memory *Memory) *builder {
	b := &builder{memory: memory, ready: make(chan struct{})}
	// While the first artifacts are made.
	go func() {
		defer close(b.ready)
		_ = openapi.Schema()
	}()
	return b
}

// buildKey is all that a build depends on.
type buildKey struct {
	artifact, folder string
	manifest         [sha256.Size]byte // the completed kustomization.yaml
	decrypted        bool
}

// build is what kustomize makes of a folder.
type build struct {
	source    *artifact.Artifact
	folder    string  // relative to the artifact
	file      string  // the outermost kustomization file, likewise
	layers    []layer // outermost first, each as often as it is included
	resources [][]byte
	remote    []remoteEntry // what only the network has, and the build is without
	err       error
	positions *positions
	origins   once[struct{}, *origins] // see build.origin
}

// render goes from a Kustomization and its artifact to objects.
func (b *builder) render(ctx context.Context, w *walk, k *Applier, source *artifact.Artifact) ([]*Object, []Failure, error) {
	refuse := func(cause Cause, at Location, fix, format string, args ...any) ([]*Object, []Failure, error) {
		return nil, []Failure{{Cause: cause, Applier: k, Subject: k.Spec.Path, Fix: fix, At: at, Message: fmt.Sprintf(format, args...)}}, nil
	}
	path := k.locate("spec", "path")
	dir, err := securejoin.SecureJoin(source.Dir, k.Spec.Path)
	if err != nil {
		return refuse(PathMissing, path, "name a folder of the source", "path %s: %v", k.Spec.Path, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return refuse(PathMissing, path, "name a folder that the source holds; .sourceignore may leave it out", "path %s is no folder of its source", k.Spec.Path)
	}
	k.build, err = b.build(source, dir, k)
	if err != nil {
		return nil, nil, err
	}
	k.Files = k.build.files()
	for _, entry := range k.build.remote {
		w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{Key: k.Key(), Object: k.Object, Reason: entry.String(), At: entry.at, Entry: entry.entry})
	}
	switch err := k.build.err; {
	case err != nil && len(k.build.remote) > 0 && k.build.certain(err) == nil:
		// It may fail for want of what only the network has.
		return nil, nil, nil
	case errors.Is(err, errEmpty):
		return refuse(PathEmpty, path, "put manifests there, or correct the path; .sourceignore may leave them out", "path %s holds no manifest", k.Spec.Path)
	case err != nil:
		cause := k.build.diagnose(err)
		return refuse(BuildFailed, cmp.Or(cause.at, k.inSpec(err), path), cause.fix, "kustomize build failed: %s", explain(source, cause))
	}
	return b.objects(ctx, w, k)
}

// inSpec is the line of the Kustomization's own spec that a build error is
// about.
func (k *Applier) inSpec(err error) Location {
	for i, component := range k.Spec.Components {
		if strings.Contains(err.Error(), component) {
			return k.locate("spec", "components", i)
		}
	}
	return Location{}
}

var errEmpty = errors.New("no manifest")

// build builds a folder as a Kustomization asks for. What is wrong with the
// content is the build's own error.
func (b *builder) build(source *artifact.Artifact, dir string, k *Applier) (*build, error) {
	<-b.ready
	disk, err := securefs.MakeFsOnDiskSecure(source.Dir)
	if err != nil {
		return nil, err
	}
	disk = guarded{disk, func(name string) string { return source.File(relativeTo(source, name)) }}
	before := &b.built
	if b.memory.holds(source) {
		before = &b.memory.built
	}
	result := &build{source: source, folder: relativeTo(source, dir), positions: &before.positions}
	if declared := kustomizationFile(disk, dir); declared != "" {
		result.file = relativeTo(source, declared)
	}
	manifest, file, err := generate(disk, source.Dir, dir, k)
	if err != nil {
		result.err = err
		return result, nil
	}
	key := buildKey{source.Dir, dir, sha256.Sum256(manifest), k.Spec.Decryption != nil}
	return before.builds.get(key, func() (*build, error) {
		result.resources, result.err = before.make(result, overlay{disk, map[string][]byte{file: manifest}}, file, key.decrypted)
		if result.err == nil && len(result.resources) == 0 && !disk.Exists(file) {
			result.err = errEmpty
		}
		return result, nil
	})
}

// generate completes the path's kustomization.yaml with the Kustomization's
// own fields, or makes one for a path without.
func generate(disk filesys.FileSystem, root, dir string, k *Applier) (manifest []byte, file string, err error) {
	flux, err := k.unstructured()
	if err != nil {
		return nil, "", err
	}
	if err := generatorInput(disk, dir); err != nil {
		return nil, "", err
	}
	defer digest(&err)
	manifest, file, _, err = fluxkustomize.NewGenerator(root, flux).GenerateManifest(dir)
	return manifest, file, err
}

// generatorInput reads what the generator reads, which has a file system of its
// own: the kustomization file or, without one, every manifest below the folder.
func generatorInput(disk filesys.FileSystem, dir string) error {
	if file := kustomizationFile(disk, dir); file != "" {
		_, err := disk.ReadFile(file)
		return err
	}
	return disk.Walk(dir, func(name string, info fs.FileInfo, err error) error {
		if extension := filepath.Ext(name); err != nil || info.IsDir() || extension != ".yaml" && extension != ".yml" {
			return err
		}
		_, err = disk.ReadFile(name)
		return err
	})
}

// kustomizationFile is the kustomization file of a folder, or empty.
func kustomizationFile(files filesys.FileSystem, dir string) string {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if file := filepath.Join(dir, name); files.Exists(file) {
			return file
		}
	}
	return ""
}

// unstructured is the Kustomization as kustomize-controller hands it on.
func (k *Applier) unstructured() (unstructured.Unstructured, error) {
	typed := kustomizev1.Kustomization{Spec: k.Spec}
	typed.Name, typed.Namespace = k.Name, k.Namespace
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&typed)
	return unstructured.Unstructured{Object: content}, err
}

// alone is held for writing by what nothing else may be built beside: a build
// that changes kustomize's schema, which is a global, and templates, whose memory
// is told by the process's.
var alone sync.RWMutex

// buildWithSchema runs kustomize with the options of fluxcd/pkg/kustomize.
// That package parses the built-in OpenAPI schema anew before each build, so
// that a kustomization's `openapi` field does not reach the next one. Here the
// schema is kept, unless the build sets that field.
func buildWithSchema(files filesys.FileSystem, dir string, setsOpenAPI bool) (built resmap.ResMap, err error) {
	defer digest(&err)
	if setsOpenAPI {
		alone.Lock()
		defer alone.Unlock()
		openapi.ResetOpenAPI()
		defer openapi.ResetOpenAPI()
	} else {
		alone.RLock()
		defer alone.RUnlock()
	}
	_ = openapi.Schema()
	return krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(files, dir)
}

// digest turns a panic into an error: kustomize panics on some invalid input.
func digest(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("kustomize cannot digest the input: %v", r)
	}
}

// overlay is a file system with files replaced, by clean names: the
// kustomization.yaml that Flux would write before it builds, and those that lack
// what only the network has. (kustomize's own file system in memory refuses many
// names of folders.)
type overlay struct {
	filesys.FileSystem
	replaced map[string][]byte
}

// ReadFile reads a replaced file or another one.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if data, replaced := o.replaced[filepath.Clean(name)]; replaced {
		return data, nil
	}
	return o.FileSystem.ReadFile(name)
}

// Exists knows of the replaced files.
func (o overlay) Exists(name string) bool {
	return o.replaced[filepath.Clean(name)] != nil || o.FileSystem.Exists(name)
}

// contents are the resources as JSON, which is what Flux takes them for.
func contents(built resmap.ResMap) ([][]byte, error) {
	all := make([][]byte, 0, built.Size())
	for _, r := range built.Resources() {
		if r.GetName() == "" || r.GetKind() == "" || r.GetApiVersion() == "" {
			return nil, fmt.Errorf("apiVersion, kind or name is missing in: %s", firstLine(r.String()))
		}
		data, err := content(r)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", r.GetKind(), r.GetName(), err)
		}
		all = append(all, data)
	}
	return all, nil
}

// content is a resource's MarshalJSON without its detour: that prints the YAML
// and parses it again.
func content(r *resource.Resource) (data []byte, err error) {
	defer digest(&err)
	var value map[string]any
	if err := r.YNode().Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// objects turns the build's resources into objects, as kustomize-controller
// does: decryption, then substitution.
func (b *builder) objects(ctx context.Context, w *walk, k *Applier) ([]*Object, []Failure, error) {
	variables, failures, err := w.variables(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	for _, ignored := range k.build.ignored() {
		failures = append(failures, buildFailure(k, ignored.at, ignored.fix, ignored))
	}
	var objects []*Object
	for _, data := range k.build.resources {
		template, err := decode(data)
		if err != nil {
			failures = append(failures, buildFailure(k, k.locate("spec", "path"), "correct the manifest", err))
			continue
		}
		if k.Spec.Decryption != nil && len(template) > 0 && replaceEncrypted(template[0]) {
			if data, err = json.Marshal(template[0]); err != nil {
				return nil, nil, err
			}
		}
		results := template
		if variables != nil && len(template) > 0 {
			object := &Object{Unstructured: template[0], Owner: k, template: template[0].Object}
			substituted, refused := variables.substitute(ctx, object, data)
			failures = append(failures, refused...)
			if len(substituted) > 0 {
				results = substituted
			}
		}
		for i, result := range results {
			object := &Object{Unstructured: result, Owner: k, template: result.Object}
			if i < len(template) {
				object.template = template[i].Object
			}
			if isEncryptedSecret(result) {
				failures = append(failures, Failure{
					Cause: InvalidSpec, Applier: k, Subject: object.Key().String(), At: object.Locate("sops"),
					Message: fmt.Sprintf("%s is encrypted, and %s has no spec.decryption: Flux refuses it", object.Key(), k),
					Fix:     "set spec.decryption of the Kustomization",
				})
			}
			objects = append(objects, object)
		}
	}
	if variables != nil {
		w.cluster.Emptied = append(w.cluster.Emptied, variables.emptied...)
	}
	if variables != nil && variables.lacking {
		w.cluster.Unknowns = append(w.cluster.Unknowns, variables.absent...)
	}
	return objects, failures, nil
}

func buildFailure(k *Applier, at Location, fix string, err error) Failure {
	return Failure{Cause: BuildFailed, Applier: k, Message: err.Error(), Fix: fix, At: at}
}

// decode reads a resource as Flux's ReadObjects reads it: a list is its items,
// and what is no object for a cluster is left out.
func decode(data []byte) ([]*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	switch {
	case object.IsList():
		var items []*unstructured.Unstructured
		err := object.EachListItem(func(item runtime.Object) error {
			items = append(items, item.(*unstructured.Unstructured))
			return nil
		})
		return items, err
	case ssautil.IsKubernetesObject(object) && !ssautil.IsKustomization(object):
		return []*unstructured.Unstructured{object}, nil
	default:
		return nil, nil
	}
}

// explain takes the folder of the artifact, which nobody knows, out of an
// error.
func explain(source *artifact.Artifact, err error) string {
	text := strings.ReplaceAll(err.Error(), source.Dir+string(filepath.Separator), "")
	return strings.ReplaceAll(text, source.Dir, ".")
}

func relativeTo(source *artifact.Artifact, file string) string {
	return filepath.ToSlash(strings.TrimPrefix(file, source.Dir+string(filepath.Separator)))
}

func (b *build) setsOpenAPI() bool {
	return slices.ContainsFunc(b.layers, func(l layer) bool { return len(l.OpenAPI) > 0 })
}

// files are the kustomization files of the build that the source holds.
func (b *build) files() []string {
	var files []string
	for _, l := range b.layers {
		if !slices.Contains(files, l.name) && b.read(l.file) != nil {
			files = append(files, l.name)
		}
	}
	return files
}
