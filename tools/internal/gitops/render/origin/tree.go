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

// Tree is what a build is made from: a folder of an artifact, and the kustomization
// files that it leads to.
type Tree struct {
	Source *artifact.Artifact
	Folder string  // relative to the artifact
	File   string  // the outermost kustomization file, likewise; empty for none
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

	// What the layer and those around it do to names and namespaces.
	InNamespace, Prefix, Suffix string
	// Around are the files of the layers around it, outermost first. Scope is the
	// file of the layer whose resources it transforms: its own or, for a Component,
	// that of the layer which includes it.
	Around []string
	Scope  string
}

// Transforms reports whether a layer transforms what another one brings.
func (l Layer) Transforms(resources Layer) bool {
	return l.Scope == resources.File || slices.Contains(resources.Around, l.Scope)
}

// LayerFile is a layer with its file as the repository holds it: the outermost one
// is built from a completed copy.
type LayerFile struct {
	Layer
	documents []*Document
}

// At is the place of a field of the layer's file.
func (l LayerFile) At(field ...any) Location { return placeIn(l.documents, l.Name, field) }

// Declared reports whether the repository holds the file: Flux makes one for a
// folder without.
func (l LayerFile) Declared() bool { return len(l.documents) > 0 }

// Length is the number of entries that a list of the file has. Those that a
// Kustomization of Flux adds to the outermost layer follow them.
func (l LayerFile) Length(list string) int {
	for _, d := range l.documents {
		if _, entries := Child(d.Root, list); entries != nil {
			return len(entries.Content)
		}
	}
	return 0
}

// Entries are the values below a list or a mapping of the file, or nil.
func (l LayerFile) Entries(field string) []*yaml.Node {
	var found []*yaml.Node
	for _, d := range l.documents {
		if _, entries := Child(d.Root, field); entries != nil {
			found = append(found, entries)
		}
	}
	return found
}

// Manifest is a document with the layer that brings it, and the name and namespace
// that its layers give it.
type Manifest struct {
	*Document
	layer           Layer
	name, namespace string
}

// sources are the files of a build with positions. They are read when the first
// object is located.
type sources struct {
	layers    []LayerFile
	manifests map[string][]Manifest // by kind
	// patches are in the order in which they are asked: the last to apply first.
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

// LayerFiles are the layers with their files, outermost first.
func (t *Tree) LayerFiles() []LayerFile { return t.read().layers }

// Manifests are the documents that the layers list, by kind.
func (t *Tree) Manifests() map[string][]Manifest { return t.read().manifests }

// Read reads a file of the artifact, or nothing.
func (t *Tree) Read(relative string) *File {
	if !filepath.IsLocal(filepath.FromSlash(relative)) {
		return nil
	}
	return t.Files.Read(filepath.Join(t.Source.Dir, filepath.FromSlash(relative)), t.Source.File(relative))
}

// KustomizationFiles are the files of the layers that the source holds, each once.
func (t *Tree) KustomizationFiles() []string {
	var files []string
	for _, l := range t.Layers {
		if !slices.Contains(files, l.Name) && t.Read(l.File) != nil {
			files = append(files, l.Name)
		}
	}
	return files
}

// Entry is the place in a layer's file that names an entry. What a Kustomization of
// Flux adds to the outermost layer is in no file.
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

// Names are those of the objects that some layers bring, by kind.
func (t *Tree) Names(some func(Layer) bool) map[string][]string {
	names := map[string][]string{}
	for kind, manifests := range t.Manifests() {
		for _, m := range manifests {
			if some(m.layer) {
				// A layer sees the name as far as the layers within have changed it.
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

// Explain takes the folder of the artifact, which nobody knows, out of an error.
func (t *Tree) Explain(err error) string { return Explain(t.Source, err) }

// Explain takes the folder of an artifact, which nobody knows, out of an error.
func Explain(source *artifact.Artifact, err error) string {
	text := strings.ReplaceAll(err.Error(), source.Dir+string(filepath.Separator), "")
	return strings.ReplaceAll(text, source.Dir, ".")
}

// Relative is a file's path within an artifact.
func Relative(source *artifact.Artifact, file string) string {
	return filepath.ToSlash(strings.TrimPrefix(file, source.Dir+string(filepath.Separator)))
}
