package render

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
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
	at   Location
	err  error
	mend string
}

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// remoteEntry is an entry of a kustomization that only the network has.
type remoteEntry struct {
	at    Location
	entry string
}

func (r remoteEntry) String() string {
	return fmt.Sprintf("%s includes %s, which only the network has: vendor it, or make it a Flux source", r.at, r.entry)
}

// errRemote is that of a build that cannot do without what only the network has.
var errRemote = errors.New("it needs the network")

// layerReader reads the kustomization files that a build will read, from the
// outermost on. It finds what kustomize would look for on the network or never
// end with, before kustomize does.
type layerReader struct {
	files overlay
	build *build // gets the layers, and what is remote
	known map[string]*types.Kustomization
}

func readLayers(files overlay, b *build, file string) error {
	r := layerReader{files: files, build: b, known: map[string]*types.Kustomization{}}
	return r.read(file, layer{}, nil)
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

// leaveOut takes the resources that only the network has out of a
// kustomization: what else it makes is the same without them, as it would not be
// without a patch, a component or the content of a ConfigMap.
func (r *layerReader) leaveOut(file string, k *types.Kustomization) error {
	all := k.Resources
	isRemote := func(entry string) bool { return r.isRemote(file, entry) }
	if !slices.ContainsFunc(all, isRemote) {
		return nil
	}
	k.Resources = nil
	for _, entry := range all {
		if isRemote(entry) {
			r.foundRemote(file, entry)
		} else {
			k.Resources = append(k.Resources, entry)
		}
	}
	if k.GeneratorOptions == nil {
		// kustomize refuses a file that says nothing.
		k.GeneratorOptions = &types.GeneratorOptions{}
	}
	data, err := json.Marshal(k) // which is YAML, too
	r.files.replaced[file] = data
	return err
}

func (r *layerReader) foundRemote(file, entry string) {
	relative := relativeTo(r.build.source, file)
	at := cmp.Or(r.build.entry(layer{file: relative}, entry), Location{File: r.build.source.File(relative)})
	r.build.remote = append(r.build.remote, remoteEntry{at, entry})
}

// include reads the kustomization file of a folder that a layer lists. What
// does not exist is an error here: kustomize would try whether it is the
// address of a repository.
func (r *layerReader) include(file, entry string, l layer, from []string) error {
	refuse := func(mend, format string, args ...any) error {
		err := fmt.Errorf("%s includes %s, which "+format, append([]any{l.name, entry}, args...)...)
		return &layerError{r.build.entry(l, entry), err, mend}
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

// address is what kustomize takes for a URL or, with a user, for a repository.
var address = regexp.MustCompile(`(?i)^(git::|https?:|ssh:|file:|gh:|(www\.)?github\.com[:/]|[a-z][a-z0-9-]*@)`)

func (r *layerReader) isRemote(file, entry string) bool {
	if !address.MatchString(entry) {
		return false
	}
	local := filepath.Join(filepath.Dir(file), entry)
	return !r.files.Exists(local) || r.files.IsDir(local)
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
