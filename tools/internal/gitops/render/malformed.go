package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// malformed finds the line for which a build refuses one of its files whatever
// the rest says: kustomize names the file at best, and lines within a document.
func (b *build) malformed() Location {
	if len(b.layers) == 0 {
		return b.malformedIn(append(b.unlisted(), b.file))
	}
	for _, l := range b.layers {
		for _, entry := range loaded(l.Kustomization) {
			if b.lacks(l, entry) {
				return b.entry(l, entry)
			}
		}
		files := []string{l.file}
		for _, entry := range slices.Concat(l.Resources, patchFiles(l.Kustomization)) {
			files = append(files, path.Join(l.dir, entry))
		}
		if at := b.malformedIn(files); at != (Location{}) {
			return at
		}
	}
	return Location{}
}

// unlisted are the manifests of a folder without a kustomization file, all of
// which Flux applies.
func (b *build) unlisted() []string {
	var files []string
	root := filepath.Join(b.source.Dir, filepath.FromSlash(b.folder))
	_ = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name)) {
			files = append(files, relativeTo(b.source, name))
		}
		return nil
	})
	return files
}

func (b *build) malformedIn(files []string) Location {
	for _, name := range files {
		f := b.read(name)
		if f == nil {
			continue
		}
		if line := malformedLine(f.data); line > 0 {
			return Location{File: f.name, Line: line}
		}
		if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(name)) {
			continue
		}
		for _, d := range f.documents {
			if node := refused(d); node != nil {
				return d.at(node)
			}
		}
	}
	return Location{}
}

// operations are those of JSON 6902.
var operations = []string{"add", "remove", "replace", "move", "copy", "test"}

// refused is what kustomize takes no document with: an object without a name, an
// operation that there is not.
func refused(d *document) *yaml.Node {
	if d.root.Kind == yaml.MappingNode && d.text("metadata", "name") == "" {
		if key, _ := child(d.root, "metadata"); key != nil {
			return key
		}
		return d.root
	}
	if d.root.Kind == yaml.SequenceNode {
		for _, item := range d.root.Content {
			if _, op := child(item, "op"); op != nil && !slices.Contains(operations, op.Value) {
				return op
			}
		}
	}
	return nil
}

// lacks tells whether a layer names a file that the source does not hold.
func (b *build) lacks(l layer, entry string) bool {
	file := filepath.FromSlash(path.Join(l.dir, entry))
	if entry == "" || !filepath.IsLocal(file) || address.MatchString(entry) {
		return false
	}
	_, err := os.Stat(filepath.Join(b.source.Dir, file))
	return errors.Is(err, fs.ErrNotExist)
}

// malformedLine is the line at which a file stops being YAML, or says a key of a
// mapping again; zero if it does neither.
func malformedLine(data []byte) int {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return brokenLine(data)
		}
		if line := repeatedKey(&document); line > 0 {
			return line
		}
	}
}

// brokenLine is the line with which a file is no longer YAML. The parser's own
// errors name where the mapping around it begins.
func brokenLine(data []byte) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		return !isYAML(bytes.Join(lines[:i+1], nil))
	})
}

func isYAML(data []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		if err := decoder.Decode(new(yaml.Node)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func repeatedKey(node *yaml.Node) int {
	seen := map[string]bool{}
	for i, content := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[content.Value] {
				return content.Line
			}
			seen[content.Value] = true
		}
		if line := repeatedKey(content); line > 0 {
			return line
		}
	}
	return 0
}

// enforce tells what is wrong with the apiVersion or the kind of a
// kustomization file.
func (b *build) enforce(k *types.Kustomization, file, name string) error {
	problems := k.EnforceFields()
	if len(problems) == 0 {
		return nil
	}
	field, at := "kind", Location{File: name, Line: 1}
	if k.Kind == types.KustomizationKind || k.Kind == types.ComponentKind {
		field = "apiVersion"
	}
	// The outermost file is built from a completed copy, of other lines.
	if f := b.read(file); f != nil {
		for _, d := range f.documents {
			if key, _ := child(d.root, field); key != nil {
				at = d.at(key)
			}
		}
	}
	return &layerError{at, fmt.Errorf("%s: %s", name, problems[0]), "write one of kustomize.config.k8s.io/v1beta1 Kustomization and v1alpha1 Component"}
}
