package render

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
)

// layer is one kustomization file of a build.
type layer struct {
	dir, file string // relative to the artifact
	name      string // the file, as findings call it
	types.Kustomization

	// What the layer and those around it do to names and namespaces.
	namespace, prefix, suffix string
	// around are the files of the layers around it, outermost first. scope is the
	// file of the layer whose resources it transforms: its own or, for a Component,
	// that of the layer which includes it.
	around []string
	scope  string
}

// transforms tells whether a layer transforms what another one brings.
func (l layer) transforms(resources layer) bool {
	return l.scope == resources.file || slices.Contains(resources.around, l.scope)
}

// layerError is an error with its place, and what to do about it.
type layerError struct {
	at  Location
	err error
	fix string
}

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// layerReader reads the kustomization files that a build will read, from the
// outermost on. It finds what kustomize would look for on the network or never
// end with, before kustomize does.
type layerReader struct {
	files overlay
	build *build // gets the layers, and what is remote
	known map[string]*types.Kustomization
	lacks map[string]bool // the files with remote resources
}

func readLayers(files overlay, b *build, file string) error {
	r := layerReader{files: files, build: b, known: map[string]*types.Kustomization{}, lacks: map[string]bool{}}
	if err := r.read(file, layer{}, nil); err != nil || len(b.remote) == 0 {
		return err
	}
	return r.leaveOutWhatIsForThem()
}

func (r *layerReader) read(file string, outer layer, from []string) error {
	if len(r.build.layers) == maxLayers {
		return fmt.Errorf("the build has more than %d kustomization files, each counted as often as it is included", maxLayers)
	}
	relative := relativeTo(r.build.source, file)
	name := r.build.source.File(relative)
	k, err := r.parse(file, name)
	if err != nil {
		return err
	}
	l := layer{dir: path.Dir(relative), file: relative, name: name, Kustomization: *k}
	l.namespace, l.prefix, l.suffix = cmp.Or(outer.namespace, l.Namespace), outer.prefix+l.NamePrefix, l.NameSuffix+outer.suffix
	l.around, l.scope = from, relative
	if l.Kind == types.ComponentKind && outer.scope != "" {
		l.scope = outer.scope
	}
	r.build.layers = append(r.build.layers, l)
	if r.lacks[file] && l.prefix+l.suffix != "" {
		return errRemote // which references get the affixes, only what they name says
	}
	for _, entry := range loaded(l.Kustomization) {
		if r.isRemote(file, entry) {
			r.foundRemote(file, entry)
			return errRemote
		}
	}
	for _, entry := range slices.Concat(l.Resources, l.Components) {
		if err := r.include(file, entry, l, append(slices.Clone(from), relative)); err != nil {
			return err
		}
	}
	return nil
}

func (r *layerReader) parse(file, name string) (*types.Kustomization, error) {
	if k := r.known[file]; k != nil {
		return k, nil
	}
	data, err := r.files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k := &types.Kustomization{}
	if err := k.Unmarshal(data); err != nil {
		return nil, misread(name, data, err)
	}
	k.FixKustomization()
	if err := r.build.enforce(k, relativeTo(r.build.source, file), name); err != nil {
		return nil, err
	}
	r.known[file] = k
	return k, r.leaveOut(file, k)
}

// include reads the kustomization file of a folder that a layer lists. What
// does not exist is an error here: kustomize would try whether it is the
// address of a repository.
func (r *layerReader) include(file, entry string, l layer, from []string) error {
	refuse := func(fix, format string, args ...any) error {
		err := fmt.Errorf("%s includes %s, which "+format, append([]any{l.name, entry}, args...)...)
		return &layerError{r.build.entry(l, entry), err, fix}
	}
	target := filepath.Join(filepath.Dir(file), entry)
	if !r.files.Exists(target) {
		return refuse(r.build.meant(l, entry, "add it, or remove the entry"), "is not in the source; .sourceignore or .gitignore may leave it out")
	}
	if !r.files.IsDir(target) {
		return nil
	}
	included := kustomizationFile(r.files, target)
	switch {
	case included == "":
		return refuse("add one, or list the folder's files", "is a folder without kustomization.yaml")
	case slices.Contains(from, relativeTo(r.build.source, included)):
		return refuse("remove one of the two entries", "includes %s in turn", l.name)
	default:
		return r.read(included, l, from)
	}
}

// loaded are the entries of a kustomization that kustomize loads: each may be
// an address.
func loaded(k types.Kustomization) []string {
	return append(manifests(k), contentFiles(k)...)
}

// manifests are the entries whose files hold YAML.
func manifests(k types.Kustomization) []string {
	entries := slices.Concat(k.Resources, k.Components, k.Crds, k.Configurations, k.Generators, k.Transformers, k.Validators)
	entries = append(entries, k.OpenAPI["path"])
	merges, operations := olderPatches(k)
	entries = append(entries, merges...)
	for _, p := range slices.Concat(k.Patches, operations) {
		entries = append(entries, p.Path)
	}
	for _, replacement := range k.Replacements {
		entries = append(entries, replacement.Path)
	}
	// Some of these may hold YAML instead of a path.
	return slices.DeleteFunc(entries, func(entry string) bool { return strings.ContainsAny(entry, "\n{") })
}

// contentFiles are the files that generators put into ConfigMaps and Secrets.
func contentFiles(k types.Kustomization) []string {
	var sources []types.KvPairSources
	for _, generator := range k.ConfigMapGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, generator := range k.SecretGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	var files []string
	for _, s := range sources {
		files = append(append(files, s.EnvSource), s.EnvSources...)
		for _, entry := range s.FileSources {
			files = append(files, sourceFile(entry))
		}
	}
	return files
}

// olderPatches are the patches in the fields that kustomize deprecates and
// still reads: strategic merges, by path or as text, and JSON 6902 operations.
func olderPatches(k types.Kustomization) (merges []string, operations []types.Patch) {
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // repositories use it
		merges = append(merges, string(p))
	}
	return merges, k.PatchesJson6902 //nolint:staticcheck // repositories use it
}

// sourceFile is the file of a generator's entry, which may give it a name.
func sourceFile(entry string) string {
	if _, file, named := strings.Cut(entry, "="); named {
		return file
	}
	return entry
}

// entry is the place in a layer's file that names an entry. What the Flux
// Kustomization adds to the outermost layer is in no file.
func (b *build) entry(l layer, entry string) Location {
	f := b.read(l.file)
	if f == nil {
		return Location{}
	}
	for _, d := range f.documents {
		if node := scalar(d.root, entry); node != nil {
			return d.at(node)
		}
	}
	return Location{}
}

// scalar is the first node of a tree that says an entry, with the name that a
// generator may give it.
func scalar(node *yaml.Node, entry string) *yaml.Node {
	if node.Kind == yaml.ScalarNode && (node.Value == entry || strings.HasSuffix(node.Value, "="+entry)) {
		return node
	}
	for _, content := range node.Content {
		if found := scalar(content, entry); found != nil {
			return found
		}
	}
	return nil
}
