package render

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/artifact"
)

// layer is one kustomization file of a build.
type layer struct {
	dir, file string // relative to the artifact
	name      string // the file, as findings call it
	types.Kustomization

	// What the layer and those around it do to names and namespaces.
	namespace, prefix, suffix string
}

// layerError is an error with its place.
type layerError struct {
	at  Location
	err error
}

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// remoteError is the error of a build that needs the network.
type remoteError struct {
	at    Location
	entry string
}

func (e *remoteError) Error() string {
	return fmt.Sprintf("%s includes %s, which only the network has: vendor it, or make it a Flux source", e.at, e.entry)
}

// layerReader reads the kustomization files that a build will read. It finds
// what kustomize would look for on the network or never end with, before
// kustomize does.
type layerReader struct {
	files  filesys.FileSystem
	source *artifact.Artifact
	layers []layer
	known  map[string]*parsed
}

// parsed is a kustomization file, however often it is included.
type parsed struct {
	types.Kustomization
	data []byte
}

// readLayers reads them from the outermost on.
func readLayers(files filesys.FileSystem, source *artifact.Artifact, file string) ([]layer, error) {
	r := layerReader{files: files, source: source, known: map[string]*parsed{}}
	err := r.read(file, layer{}, nil)
	return r.layers, err
}

func (r *layerReader) read(file string, outer layer, from []string) error {
	relative := r.relative(file)
	if slices.Contains(from, relative) {
		return fmt.Errorf("cycle: %s", strings.Join(append(from, relative), " includes "))
	}
	if len(r.layers) == maxLayers {
		return fmt.Errorf("the build has more than %d kustomization files, each counted as often as it is included", maxLayers)
	}
	name := r.source.File(relative)
	k, err := r.parse(file, name)
	if err != nil {
		return err
	}
	l := layer{dir: path.Dir(relative), file: relative, name: name, Kustomization: k.Kustomization}
	l.namespace, l.prefix, l.suffix = or(outer.namespace, l.Namespace), outer.prefix+l.NamePrefix, l.NameSuffix+outer.suffix
	r.layers = append(r.layers, l)
	for _, entry := range loaded(l.Kustomization) {
		if r.isRemote(file, entry) {
			return &remoteError{Location{File: name, Line: lineOf(k.data, entry)}, entry}
		}
	}
	for _, entry := range slices.Concat(l.Resources, l.Components) {
		if err := r.include(file, entry, l, append(slices.Clone(from), relative)); err != nil {
			return err
		}
	}
	return nil
}

func (r *layerReader) parse(file, name string) (*parsed, error) {
	if k := r.known[file]; k != nil {
		return k, nil
	}
	data, err := r.files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k := &parsed{data: data}
	if err := k.Unmarshal(data); err != nil {
		return nil, &layerError{Location{File: name, Line: yamlErrorLine(err)}, fmt.Errorf("%s: %w", name, err)}
	}
	k.FixKustomization()
	r.known[file] = k
	return k, nil
}

// include reads the kustomization file of a folder that a layer lists. What
// does not exist is an error here: kustomize would try whether it is the
// address of a repository.
func (r *layerReader) include(file, entry string, l layer, from []string) error {
	at := Location{File: l.name, Line: lineOf(r.known[file].data, entry)}
	target := filepath.Join(filepath.Dir(file), entry)
	if !r.files.Exists(target) {
		return &layerError{at, fmt.Errorf("%s includes %s, which is not in the source; .sourceignore or .gitignore may leave it out", l.name, entry)}
	}
	if !r.files.IsDir(target) {
		return nil
	}
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if included := filepath.Join(target, name); r.files.Exists(included) {
			return r.read(included, l, from)
		}
	}
	return &layerError{at, fmt.Errorf("%s includes the folder %s, which has no kustomization.yaml", l.name, entry)}
}

// relative is a path of the file system relative to the artifact.
func (r *layerReader) relative(file string) string {
	return filepath.ToSlash(strings.TrimPrefix(file, r.source.Dir+string(filepath.Separator)))
}

// loaded are the entries of a kustomization that kustomize loads: each may be
// an address.
func loaded(k types.Kustomization) []string {
	entries := slices.Concat(k.Resources, k.Components, k.Crds, k.Configurations, k.Generators, k.Transformers, k.Validators)
	entries = append(entries, k.OpenAPI["path"])
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) {
		entries = append(entries, p.Path)
	}
	for _, p := range k.PatchesStrategicMerge {
		entries = append(entries, string(p))
	}
	for _, replacement := range k.Replacements {
		entries = append(entries, replacement.Path)
	}
	var sources []types.KvPairSources
	for _, generator := range k.ConfigMapGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, generator := range k.SecretGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, s := range sources {
		entries = append(append(entries, s.EnvSource), s.EnvSources...)
		for _, entry := range s.FileSources {
			entries = append(entries, sourceFile(entry))
		}
	}
	// Some of these may hold YAML instead of a path.
	return slices.DeleteFunc(entries, func(entry string) bool { return strings.ContainsAny(entry, "\n{") })
}

// sourceFile is the file of a generator's entry, which may give it a name.
func sourceFile(entry string) string {
	if _, file, named := strings.Cut(entry, "="); named {
		return file
	}
	return entry
}

// address is what kustomize takes for a URL or, with a user, for a repository.
var address = regexp.MustCompile(`(?i)^(git::|https?:|ssh:|file:|gh:|(www\.)?github\.com[:/]|[a-z][a-z0-9-]*@)`)

func (r *layerReader) isRemote(file, entry string) bool {
	if !address.MatchString(entry) {
		return false
	}
	local := filepath.Join(filepath.Dir(file), entry)
	return !r.files.Exists(local) || r.files.IsDir(local)
}

// atError is the place of an error that has one.
func atError(err error) (Location, bool) {
	var located *layerError
	if errors.As(err, &located) {
		return located.at, true
	}
	return Location{}, false
}

// lineOf is the first line that holds a text, from 1.
func lineOf(data []byte, text string) int {
	before, _, found := bytes.Cut(data, []byte(text))
	if !found {
		return 1
	}
	return bytes.Count(before, []byte("\n")) + 1
}
