package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	securefs "github.com/fluxcd/pkg/kustomize/filesys"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/artifact"
)

// builder builds Kustomizations one after the other: kustomize keeps its
// OpenAPI schema in a global.
type builder struct{ positions *positions }

func newBuilder() *builder { return &builder{positions: newPositions()} }

// build is what a Kustomization was built from.
type build struct {
	source    *artifact.Artifact
	layers    []layer
	positions *positions
}

// render goes from a Kustomization and its artifact to objects.
func (b *builder) render(ctx context.Context, w *walk, k *Kustomization, source *artifact.Artifact) ([]*Object, []Failure, error) {
	fail := func(cause Cause, subject, mend string, at Location, format string, args ...any) ([]*Object, []Failure, error) {
		return nil, []Failure{{Cause: cause, Kustomization: k, Subject: subject, Mend: mend, At: at, Message: fmt.Sprintf(format, args...)}}, nil
	}
	dir, err := securejoin.SecureJoin(source.Dir, k.Spec.Path)
	if err != nil {
		return fail(PathMissing, k.Spec.Path, "name a folder of the source", k.locate("spec", "path"), "path %s: %v", k.Spec.Path, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fail(PathMissing, k.Spec.Path, "name a folder that the source holds; .sourceignore may leave it out", k.locate("spec", "path"),
			"path %s is no folder of its source", k.Spec.Path)
	}
	disk, err := securefs.MakeFsOnDiskSecure(source.Dir)
	if err != nil {
		return nil, nil, err
	}
	manifest, file, err := generate(source.Dir, dir, k)
	if err != nil {
		return fail(BuildFailed, "", "see what Flux's generator says of the file", k.locate("spec", "path"), "%s", b.explain(source, err))
	}
	files := filesys.FileSystem(overlay{FileSystem: disk, file: file, data: manifest})
	k.build = &build{source: source, positions: b.positions}
	if k.build.layers, err = readLayers(files, source, file); err != nil {
		at := k.locate("spec", "path")
		var located *layerError
		if errors.As(err, &located) {
			at = located.at
		}
		var remote *remoteError
		if errors.As(err, &remote) && k.Object != nil {
			w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{Object: k.Object, Reason: remote.Error(), At: remote.at})
			return nil, nil, nil
		}
		return fail(BuildFailed, "", "correct the kustomization file", at, "%s", b.explain(source, err))
	}
	k.Files = nil
	for _, l := range k.build.layers {
		if disk.Exists(filepath.Join(source.Dir, l.file)) {
			k.Files = append(k.Files, l.name)
		}
	}
	if k.Spec.Decryption != nil {
		files = placeholders{files, k.build.encryptedSources()}
	}
	built, err := buildWithSchema(files, dir, k.build.setsOpenAPI())
	if err != nil {
		return fail(BuildFailed, "", "run `kustomize build` on the path", k.build.blame(err, k), "kustomize build failed: %s", b.explain(source, err))
	}
	return b.objects(ctx, w, k, built)
}

// objects turns the build's resources into objects, as kustomize-controller
// does: decryption, then substitution.
func (b *builder) objects(ctx context.Context, w *walk, k *Kustomization, built resmap.ResMap) ([]*Object, []Failure, error) {
	var objects []*Object
	var failures []Failure
	flux, err := k.unstructured()
	if err != nil {
		return nil, nil, err
	}
	variables, missing := w.variables(k)
	failures = append(failures, missing...)
	for _, resource := range built.Resources() {
		templates, err := decode(resource)
		if err != nil {
			failures = append(failures, Failure{Cause: BuildFailed, Kustomization: k, Message: err.Error(), At: k.locate("spec", "path"), Mend: "correct the manifest"})
			continue
		}
		if len(templates) == 0 {
			continue
		}
		if k.Spec.Decryption != nil && replaceEncrypted(templates[0]) {
			if resource, err = encode(templates[0]); err != nil {
				return nil, nil, err
			}
		}
		results := templates
		if k.Spec.PostBuild != nil && len(missing) == 0 {
			template := &Object{Unstructured: templates[0].DeepCopy(), Owner: k, template: templates[0].Object}
			undefined, err := substitute(ctx, k, flux, resource, variables, w.lenient)
			failures = append(failures, undefinedFailures(k, template, undefined, err)...)
			if err == nil {
				if results, err = decode(resource); err != nil {
					failures = append(failures, Failure{Cause: BuildFailed, Kustomization: k, Message: "after substitution: " + err.Error(), At: template.Locate(), Mend: "quote the variable"})
					continue
				}
			}
		}
		for i, result := range results {
			template := result
			if i < len(templates) {
				template = templates[i]
			}
			objects = append(objects, &Object{Unstructured: result, Owner: k, template: template.Object})
		}
	}
	return objects, failures, nil
}

// generate completes the path's kustomization.yaml with the Kustomization's
// own fields, or makes one for a path without.
func generate(root, dir string, k *Kustomization) (manifest []byte, file string, err error) {
	flux, err := k.unstructured()
	if err != nil {
		return nil, "", err
	}
	manifest, file, _, err = fluxkustomize.NewGenerator(root, flux).GenerateManifest(dir)
	return manifest, file, err
}

// unstructured is the Kustomization as kustomize-controller hands it on.
func (k *Kustomization) unstructured() (unstructured.Unstructured, error) {
	typed := kustomizev1.Kustomization{Spec: k.Spec}
	typed.Name, typed.Namespace = k.Name, k.Namespace
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&typed)
	return unstructured.Unstructured{Object: content}, err
}

// buildWithSchema runs kustomize with the options of fluxcd/pkg/kustomize.
// That package parses the built-in OpenAPI schema anew before each build, so
// that a kustomization's `openapi` field does not reach the next one. Here the
// schema is kept, unless the build sets that field.
func buildWithSchema(files filesys.FileSystem, dir string, setsOpenAPI bool) (built resmap.ResMap, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("kustomize cannot digest the input: %v", r)
		}
	}()
	if setsOpenAPI {
		openapi.ResetOpenAPI()
		defer openapi.ResetOpenAPI()
	}
	_ = openapi.Schema()
	return krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(files, dir)
}

func decode(r *resource.Resource) ([]*unstructured.Unstructured, error) {
	if r.GetName() == "" || r.GetKind() == "" || r.GetApiVersion() == "" {
		return nil, fmt.Errorf("apiVersion, kind or name is missing in: %s", firstLine(r.String()))
	}
	data, err := r.AsYAML()
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", r.GetKind(), r.GetName(), err)
	}
	return ssautil.ReadObjects(bytes.NewReader(data))
}

func encode(u *unstructured.Unstructured) (*resource.Resource, error) {
	data, err := yaml.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	return resourceFactory().FromBytes(data)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// explain takes the folder of the artifact, which nobody knows, out of an
// error.
func (b *builder) explain(source *artifact.Artifact, err error) string {
	text := strings.ReplaceAll(err.Error(), source.Dir+string(filepath.Separator), "")
	return strings.ReplaceAll(text, source.Dir, ".")
}

// overlay is a file system with one file replaced: the kustomization.yaml that
// Flux would write before it builds.
type overlay struct {
	filesys.FileSystem
	file string
	data []byte
}

func (o overlay) ReadFile(name string) ([]byte, error) {
	if filepath.Clean(name) == o.file {
		return o.data, nil
	}
	return o.FileSystem.ReadFile(name)
}

func (o overlay) Exists(name string) bool {
	return filepath.Clean(name) == o.file || o.FileSystem.Exists(name)
}

func (o overlay) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	if filepath.Clean(name) == o.file {
		return filesys.ConfirmedDir(filepath.Dir(o.file)), filepath.Base(o.file), nil
	}
	return o.FileSystem.CleanedAbs(name)
}

// layer is one kustomization file of a build.
type layer struct {
	dir  string // relative to the artifact
	file string // the file, relative to the artifact
	name string // the file, as findings call it
	data []byte
	types.Kustomization
}

type layerError struct {
	at  Location
	err error
}

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// remoteError is the error of a build that needs the network.
type remoteError struct {
	at  Location
	url string
}

func (e *remoteError) Error() string {
	return fmt.Sprintf("%s includes %s, which only the network has: vendor it, or make it a Flux source", e.at, e.url)
}

// maxLayers bounds a build; the largest public repositories stay below a
// hundred.
const maxLayers = 5000

// readLayers reads the kustomization files that a build will read, the
// outermost first. It finds what kustomize would look for on the network or
// never end with, before kustomize does.
func readLayers(files filesys.FileSystem, source *artifact.Artifact, file string) ([]layer, error) {
	r := layerReader{files: files, source: source, seen: map[string]bool{}}
	if err := r.read(file, nil); err != nil {
		return nil, err
	}
	return r.layers, nil
}

type layerReader struct {
	files  filesys.FileSystem
	source *artifact.Artifact
	layers []layer
	seen   map[string]bool
}

func (r *layerReader) read(file string, from []string) error {
	if slices.Contains(from, file) {
		return fmt.Errorf("cycle: %s", strings.Join(r.relative(append(from, file)), " includes "))
	}
	if r.seen[file] {
		return nil
	}
	r.seen[file] = true
	if len(r.layers) == maxLayers {
		return fmt.Errorf("the build has more than %d kustomization files", maxLayers)
	}
	data, err := r.files.ReadFile(file)
	if err != nil {
		return err
	}
	relative := r.relative([]string{file})[0]
	l := layer{dir: path.Dir(relative), file: relative, name: r.source.File(relative), data: data}
	if err := l.Unmarshal(data); err != nil {
		return &layerError{Location{File: l.name, Line: yamlErrorLine(err)}, fmt.Errorf("%s: %w", l.name, err)}
	}
	l.FixKustomization()
	r.layers = append(r.layers, l)
	for _, entry := range slices.Concat(l.Resources, l.Components) {
		if isRemote(entry) {
			return &remoteError{Location{File: l.name, Line: lineOf(data, entry)}, entry}
		}
		included, found := r.kustomizationFile(filepath.Join(filepath.Dir(file), entry))
		if !found {
			continue
		}
		if err := r.read(included, append(slices.Clone(from), file)); err != nil {
			return err
		}
	}
	return nil
}

// kustomizationFile is the kustomization file of a folder; a file is left to
// kustomize.
func (r *layerReader) kustomizationFile(dir string) (string, bool) {
	if !r.files.IsDir(dir) {
		return "", false
	}
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if file := filepath.Join(dir, name); r.files.Exists(file) {
			return file, true
		}
	}
	return "", false
}

func (r *layerReader) relative(files []string) []string {
	relative := make([]string, len(files))
	for i, file := range files {
		relative[i] = filepath.ToSlash(strings.TrimPrefix(file, r.source.Dir+string(filepath.Separator)))
	}
	return relative
}

func isRemote(entry string) bool { return !fluxkustomize.IsLocalRelativePath(entry) && !filepath.IsAbs(entry) }

func (b *build) setsOpenAPI() bool {
	return slices.ContainsFunc(b.layers, func(l layer) bool { return len(l.OpenAPI) > 0 })
}

// blame finds the line that a build error is about: the error names a file of
// the build, or the Kustomization's path is all there is.
func (b *build) blame(err error, k *Kustomization) Location {
	text := err.Error()
	for _, l := range slices.Backward(b.layers) {
		for _, entry := range slices.Concat(l.Resources, l.Components) {
			if strings.Contains(text, "'"+entry+"'") {
				return Location{File: l.name, Line: lineOf(l.data, entry)}
			}
		}
	}
	if len(b.layers) > 0 && !errors.Is(err, fs.ErrNotExist) {
		return Location{File: b.layers[0].name, Line: 1}
	}
	return k.locate("spec", "path")
}

// lineOf is the first line that holds a text, from 1.
func lineOf(data []byte, text string) int {
	before, _, found := bytes.Cut(data, []byte(text))
	if !found {
		return 1
	}
	return bytes.Count(before, []byte("\n")) + 1
}
