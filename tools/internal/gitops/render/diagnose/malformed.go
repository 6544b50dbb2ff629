package diagnose

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

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// malformedFile finds the line for which kustomize rejects one of the files, whatever the
// other files contain. kustomize names at most the file, and a line within a document.
func malformedFile(t *origin.Tree) origin.Location {
	if len(t.Layers) == 0 {
		return malformedIn(t, append(appliedFiles(t), t.File))
	}
	for _, l := range t.Layers {
		for _, entry := range origin.Loaded(l.Kustomization) {
			if lacks(t, l, entry) {
				return t.Entry(l, entry)
			}
		}
		files := []string{l.File}
		for _, entry := range slices.Concat(l.Resources, origin.PatchFiles(l.Kustomization)) {
			files = append(files, path.Join(l.Dir, entry))
		}
		if at := malformedIn(t, files); at != (origin.Location{}) {
			return at
		}
	}
	return origin.Location{}
}

// appliedFiles returns the manifests of a folder without a kustomization file, all of
// which Flux applies.
func appliedFiles(t *origin.Tree) []string {
	var files []string
	root := filepath.Join(t.Source.Dir, filepath.FromSlash(t.Folder))
	_ = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name)) {
			files = append(files, origin.Relative(t.Source, name))
		}
		return nil
	})
	return files
}

func malformedIn(t *origin.Tree, files []string) origin.Location {
	for _, name := range files {
		f := t.Read(name)
		if f == nil {
			continue
		}
		if line := malformedLine(f.Data); line > 0 {
			return origin.Location{File: f.Name, Line: line}
		}
		if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(name)) {
			continue
		}
		for _, d := range f.Documents {
			if node := invalidNode(d); node != nil {
				return d.At(node)
			}
		}
	}
	return origin.Location{}
}

// operations are the operations of JSON patch (RFC 6902).
var operations = []string{"add", "remove", "replace", "move", "copy", "test"}

// invalidNode returns the node for which kustomize rejects a document: an object without
// a name, or an unknown JSON-patch operation.
func invalidNode(d *origin.Document) *yaml.Node {
	if d.Root.Kind == yaml.MappingNode && d.Text("metadata", "name") == "" {
		if key, _ := origin.Child(d.Root, "metadata"); key != nil {
			return key
		}
		return d.Root
	}
	if d.Root.Kind == yaml.SequenceNode {
		for _, item := range d.Root.Content {
			if _, op := origin.Child(item, "op"); op != nil && !slices.Contains(operations, op.Value) {
				return op
			}
		}
	}
	return nil
}

// lacks reports whether a layer names a file that the source does not have.
func lacks(t *origin.Tree, l origin.Layer, entry string) bool {
	file := filepath.FromSlash(path.Join(l.Dir, entry))
	if entry == "" || !filepath.IsLocal(file) || origin.Address.MatchString(entry) {
		return false
	}
	_, err := os.Stat(filepath.Join(t.Source.Dir, file))
	return errors.Is(err, fs.ErrNotExist)
}

// malformedLine returns the line at which a file stops being YAML, or repeats a key; zero
// if there is none.
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

// brokenLine returns the line at which a file stops being YAML. The parser's own errors
// name the beginning of the mapping around it.
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

// Enforce returns an error if the apiVersion or the kind of a kustomization file is
// wrong.
func Enforce(t *origin.Tree, k *types.Kustomization, file, name string) error {
	problems := k.EnforceFields()
	if len(problems) == 0 {
		return nil
	}
	field, at := "kind", origin.Location{File: name, Line: 1}
	if k.Kind == types.KustomizationKind || k.Kind == types.ComponentKind {
		field = "apiVersion"
	}
	// The outermost file is built from a completed copy, whose lines differ.
	if f := t.Read(file); f != nil {
		for _, d := range f.Documents {
			if key, _ := origin.Child(d.Root, field); key != nil {
				at = d.At(key)
			}
		}
	}
	return &Error{
		at, fmt.Errorf("%s: %s", name, problems[0]),
		"write one of kustomize.config.k8s.io/v1beta1 Kustomization and v1alpha1 Component",
	}
}
