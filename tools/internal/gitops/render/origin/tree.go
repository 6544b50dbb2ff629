package origin

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
)

// Tree is the input of a build: a folder of an artifact, and the kustomization files that
// it leads to.
type Tree struct {
	Source *artifact.Artifact
	Folder string  // relative to the artifact
	File   string  // the outermost kustomization file, relative to the artifact; empty for none
	Layers []Layer // outermost first, each as often as it is included
	// Files reads the files of the artifact.
	Files *Files

	sources memo.Memo[struct{}, *sources] // see sources
}

// Layer is one kustomization file of a build.
type Layer struct {
	Dir, File string // relative to the artifact
	Name      string // the file, as findings call it
	types.Kustomization

	// The combined effect of the layer, and of those around it, on names and namespaces.
	InNamespace, Prefix, Suffix string
	// Around are the files of the layers around it, outermost first. Scope is the file of
	// the layer whose resources it transforms: its own or, for a Component, the layer's
	// that includes it.
	Around []string
	Scope  string
}

// Transforms reports whether a layer transforms the resources of another one.
func (l Layer) Transforms(resources Layer) bool {
	return l.Scope == resources.File || slices.Contains(resources.Around, l.Scope)
}

// LayerFile is a layer with its file in the repository. The outermost one is built from a
// completed copy of it.
type LayerFile struct {
	Layer
	documents []*Document
}

// At returns the place of a field of the layer's file.
func (l LayerFile) At(field ...any) Location { return placeIn(l.documents, l.Name, field) }

// Declared reports whether the repository has the file: Flux makes one for a folder
// without.
func (l LayerFile) Declared() bool { return len(l.documents) > 0 }

// Length returns the number of items in a list of the file. Items that Flux's
// Kustomization adds to the outermost layer come after them.
func (l LayerFile) Length(list string) int {
	for _, d := range l.documents {
		if _, entries := Child(d.Root, list); entries != nil {
			return len(entries.Content)
		}
	}
	return 0
}

// Entries returns the values in a list or a mapping of the file, or nil.
func (l LayerFile) Entries(field string) []*yaml.Node {
	var found []*yaml.Node
	for _, d := range l.documents {
		if _, entries := Child(d.Root, field); entries != nil {
			found = append(found, entries)
		}
	}
	return found
}

// Manifest is a document, the layer that lists it, and the name and namespace that its
// layers give it.
type Manifest struct {
	*Document
	layer           Layer
	name, namespace string
}

// sources are a build's files with positions. They are read when the first object is
// located.
type sources struct {
	layers    []LayerFile
	manifests map[string][]Manifest // by kind
	// patches are in the order of their precedence: the last to apply comes first.
	patches []Patch
}

func (t *Tree) read() *sources {
	all, _ := t.sources.Get(struct{}{}, func() (*sources, error) { return t.readSources(), nil })
	return all
}

func (t *Tree) readSources() *sources {
	all := &sources{manifests: map[string][]Manifest{}}
	for i, l := range t.Layers {
		from := LayerFile{Layer: l}
		if f := t.Read(l.File); f != nil {
			from.documents = f.Documents
		}
		all.layers = append(all.layers, from)
		all.patches = append(all.patches, t.patchesOf(from, i == 0)...)
		for _, entry := range l.Resources {
			f := t.Read(path.Join(l.Dir, entry))
			if f == nil {
				continue
			}
			for _, d := range f.Documents {
				kind := d.Text("kind")
				all.manifests[kind] = append(all.manifests[kind], Manifest{
					Document: d, layer: l, name: l.Prefix + d.Text("metadata", "name") + l.Suffix,
					namespace: cmp.Or(l.InNamespace, d.Text("metadata", "namespace")),
				})
			}
		}
	}
	return all
}

// LayerFiles returns the layers with their files, outermost first.
func (t *Tree) LayerFiles() []LayerFile { return t.read().layers }

// Manifests returns the documents that the layers list, by kind.
func (t *Tree) Manifests() map[string][]Manifest { return t.read().manifests }

// Read reads a file of the artifact; nil if it cannot.
func (t *Tree) Read(relative string) *File {
	if !filepath.IsLocal(filepath.FromSlash(relative)) {
		return nil
	}
	return t.Files.Read(filepath.Join(t.Source.Dir, filepath.FromSlash(relative)), t.Source.File(relative))
}

// KustomizationFiles returns the layers' files that the source has, each once.
func (t *Tree) KustomizationFiles() []string {
	var files []string
	for _, l := range t.Layers {
		if !slices.Contains(files, l.Name) && t.Read(l.File) != nil {
			files = append(files, l.Name)
		}
	}
	return files
}

// Entry returns the place of an entry in a layer's file. What Flux's Kustomization adds
// to the outermost layer is in no file.
func (t *Tree) Entry(l Layer, entry string) Location {
	f := t.Read(l.File)
	if f == nil {
		return Location{}
	}
	for _, d := range f.Documents {
		if node := scalar(d.Root, entry); node != nil {
			return d.At(node)
		}
	}
	return Location{}
}

// scalar returns the first node of a tree with an entry, even if a generator gives the
// entry a key.
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

// Names returns the names of the objects of some layers, by kind.
func (t *Tree) Names(some func(Layer) bool) map[string][]string {
	names := map[string][]string{}
	for kind, manifests := range t.Manifests() {
		for _, m := range manifests {
			if some(m.layer) {
				// A layer sees the name after the changes of the layers within it.
				names[kind] = append(names[kind], m.Text("metadata", "name"), m.name)
			}
		}
	}
	for _, l := range t.Layers {
		if !some(l) {
			continue
		}
		for _, generator := range l.ConfigMapGenerator {
			if !Adds(generator.GeneratorArgs) {
				names["ConfigMap"] = append(names["ConfigMap"], generator.Name)
			}
		}
		for _, generator := range l.SecretGenerator {
			if !Adds(generator.GeneratorArgs) {
				names["Secret"] = append(names["Secret"], generator.Name)
			}
		}
	}
	return names
}

// Explain removes the artifact's temporary folder from an error.
func (t *Tree) Explain(err error) string { return Explain(t.Source, err) }

// Explain removes an artifact's temporary folder from an error.
func Explain(source *artifact.Artifact, err error) string {
	text := strings.ReplaceAll(err.Error(), source.Dir+string(filepath.Separator), "")
	return strings.ReplaceAll(text, source.Dir, ".")
}

// Relative returns a file's path within an artifact.
func Relative(source *artifact.Artifact, file string) string {
	return filepath.ToSlash(strings.TrimPrefix(file, source.Dir+string(filepath.Separator)))
}
