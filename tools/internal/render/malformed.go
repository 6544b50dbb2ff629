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
	"sort"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
)

// malformed finds the line for which a build refuses one of its files whatever
// the rest says: kustomize names the file at best, and lines within a document.
func (b *build) malformed() Location {
	for _, l := range b.layers {
		entries := append([]string{path.Base(l.file)}, loaded(l.Kustomization)...)
		for _, entry := range append(entries, l.Resources...) {
			f := b.read(path.Join(l.dir, entry))
			if f == nil && b.lacks(l, entry) {
				return b.entry(l, entry)
			}
			if f == nil {
				continue
			}
			if line := malformedLine(f.data); line > 0 {
				return Location{File: f.name, Line: line}
			}
		}
		for _, entry := range l.Resources {
			if f := b.read(path.Join(l.dir, entry)); f != nil {
				if at := f.unnamed(); at != (Location{}) {
					return at
				}
			}
		}
	}
	return Location{}
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

// unnamed is the place of an object without a name, which kustomize refuses.
func (f *file) unnamed() Location {
	for _, d := range f.documents {
		if d.root.Kind != yaml.MappingNode || d.text("metadata", "name") != "" {
			continue
		}
		if key, _ := child(d.root, "metadata"); key != nil {
			return d.at(key)
		}
		return d.at(d.root)
	}
	return Location{}
}

// enforce tells what is wrong with the apiVersion or the kind of a
// kustomization file.
func enforce(k *types.Kustomization, data []byte, name string) error {
	problems := k.EnforceFields()
	if len(problems) == 0 {
		return nil
	}
	at := Location{File: name, Line: 1}
	f := &file{name: name, data: data}
	for _, d := range parseDocuments(f, data, 0) {
		field := "kind"
		if k.Kind == types.KustomizationKind || k.Kind == types.ComponentKind {
			field = "apiVersion"
		}
		if key, _ := child(d.root, field); key != nil {
			at = d.at(key)
		}
	}
	return &layerError{at, fmt.Errorf("%s: %s", name, problems[0]), "write one of kustomize.config.k8s.io/v1beta1 Kustomization and v1alpha1 Component"}
}
