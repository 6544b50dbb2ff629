package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// diagnose finds what a build error comes down to.
func (b *build) diagnose(err error) *layerError {
	return cmp.Or(b.certain(err), &layerError{b.blame(err), err, "run `kustomize build` on the path"})
}

// certain is what a build error comes down to if that can be told for certain, or
// nil. kustomize names the folder, the file or nothing, and counts lines from the
// last document; so its input is read once more.
func (b *build) certain(err error) *layerError {
	if located, ok := errors.AsType[*layerError](err); ok {
		return located
	}
	if f := b.read(b.file); f != nil && len(b.layers) == 0 && digestible(f.data) == nil {
		if cause := cmp.Or(malformed(f, err), unreadable(f)); cause != nil {
			return cause
		}
	}
	for _, l := range b.layers {
		for _, entry := range loaded(l.Kustomization) {
			if cause := b.unloadable(l, entry, err); cause != nil {
				return cause
			}
		}
	}
	return nil
}

// unreadable is why a file is no kustomization.
func unreadable(f *file) *layerError {
	var k types.Kustomization
	if err := k.Unmarshal(f.data); err != nil {
		return misread(f.name, f.data, err)
	}
	return nil
}

// unloadable says why kustomize cannot load a file that a layer names.
func (b *build) unloadable(l layer, entry string, failure error) *layerError {
	file := path.Join(l.dir, entry)
	if entry == "" || !filepath.IsLocal(filepath.FromSlash(file)) || address.MatchString(entry) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(b.source.Dir, filepath.FromSlash(file))); errors.Is(err, fs.ErrNotExist) {
		err := fmt.Errorf("%s names %s, which is not in the source; .sourceignore or .gitignore may leave it out", l.name, entry)
		return &layerError{b.entry(l, entry), err, b.meant(l, entry, "add it, or remove the entry")}
	}
	// What a generator puts into a ConfigMap need not be YAML.
	if f := b.read(file); f != nil && slices.Contains(manifests(l.Kustomization), entry) {
		return malformed(f, failure)
	}
	return nil
}

// meant is the fix of an entry that names nothing: the file beside it that it
// may have been meant to name, if no other entry does.
func (b *build) meant(l layer, entry, otherwise string) string {
	folder := path.Join(l.dir, path.Dir(entry))
	if !filepath.IsLocal(filepath.FromSlash(folder)) {
		return otherwise
	}
	entries, _ := os.ReadDir(filepath.Join(b.source.Dir, filepath.FromSlash(folder)))
	var names []string
	for _, e := range entries {
		if !slices.Contains(loaded(l.Kustomization), path.Join(path.Dir(entry), e.Name())) {
			names = append(names, e.Name())
		}
	}
	if name := spelling.Nearest(path.Base(entry), names); name != "" {
		return fmt.Sprintf("did you mean %s?", path.Join(path.Dir(entry), name))
	}
	return otherwise
}

// malformed is the first fault of a file's YAML: no syntax, or a key that a
// mapping has twice. A parser names the line where what it cannot finish begins
// or, within a document, where it gave up: the later one is nearer.
func malformed(f *file, failure error) *layerError {
	for _, d := range f.documents {
		if cause := doubled(f.name, d); cause != nil {
			return cause
		}
	}
	err := syntax(f.data)
	if err == nil {
		return nil
	}
	line := max(1, yamlErrorLine(err.Error()), yamlErrorLine(failure.Error()))
	text := yamlLine.ReplaceAllString(err.Error(), fmt.Sprintf("line %d", line))
	return &layerError{Location{File: f.name, Line: line}, fmt.Errorf("%s: %s", f.name, text), "correct the YAML"}
}

// syntax is why a text is no YAML. What kustomize should not see is left to the
// guard.
func syntax(data []byte) error {
	if digestible(data) != nil {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// doubled finds a key that a mapping of the document has twice.
func doubled(name string, d *document) *layerError {
	var find func(*yaml.Node) *layerError
	find = func(node *yaml.Node) *layerError {
		first := map[string]int{}
		for i, content := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 0 && content.Tag != "!!merge" {
				if line, twice := first[content.Value]; twice {
					err := fmt.Errorf("%s: %s is there twice, on line %d too", name, content.Value, line)
					return &layerError{d.at(content), err, "join the two, or remove one"}
				}
				first[content.Value] = content.Line + d.offset
			}
			if cause := find(content); cause != nil {
				return cause
			}
		}
		return nil
	}
	return find(d.root)
}

// ignored are the fields of kustomization files that do nothing, and nobody
// says so: Flux's generator drops what it does not know of the outermost file,
// and of a key that is there twice the last one wins.
func (b *build) ignored() []*layerError {
	var ignored []*layerError
	if f := b.read(b.file); f != nil {
		if cause := unreadable(f); cause != nil {
			cause.err = fmt.Errorf("%w, which Flux leaves out and `kustomize build` refuses", cause.err)
			ignored = append(ignored, cause)
		}
	}
	for _, name := range b.files() {
		for _, l := range b.layers {
			f := b.read(l.file)
			if l.name != name || f == nil || len(f.documents) == 0 {
				continue
			}
			if cause := doubled(name, f.documents[0]); cause != nil {
				cause.err = fmt.Errorf("%w: the last one alone counts", cause.err)
				ignored = append(ignored, cause)
			}
			break
		}
	}
	return ignored
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	wrongType    = regexp.MustCompile(`cannot unmarshal \w+ into Go struct field Kustomization\.([\w.]+) of type`)
)

// misread finds the place in a kustomization file where reading it fails.
func misread(name string, data []byte, err error) *layerError {
	cause := &layerError{Location{File: name, Line: max(1, yamlErrorLine(err.Error()))}, fmt.Errorf("%s: %w", name, err), "correct the field"}
	for _, d := range parseDocuments(&file{name: name, data: data}, data, 0) {
		if match := unknownField.FindStringSubmatch(err.Error()); match != nil {
			if key, fields := unknownKey(d.root, reflect.TypeFor[types.Kustomization](), match[1]); key != nil {
				cause.at = d.at(key)
				if meant := spelling.Nearest(match[1], fields); meant != "" {
					cause.fix = fmt.Sprintf("did you mean %s?", meant)
				}
				return cause
			}
		}
		if match := wrongType.FindStringSubmatch(err.Error()); match != nil {
			var field []any
			for _, element := range strings.Split(match[1], ".") {
				field = append(field, element)
			}
			at, _, _ := follow(d.root, field, nil)
			cause.at = d.at(at)
			return cause
		}
	}
	return cause
}

// unknownKey is a key that the type of its mapping does not have, with those
// that it has.
func unknownKey(node *yaml.Node, of reflect.Type, name string) (*yaml.Node, []string) {
	node = resolve(node)
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case node.Kind == yaml.SequenceNode && of.Kind() == reflect.Slice:
		for _, item := range node.Content {
			if key, fields := unknownKey(item, of.Elem(), name); key != nil {
				return key, fields
			}
		}
	case node.Kind == yaml.MappingNode && of.Kind() == reflect.Struct:
		fields, names := fieldsOf(of)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			field, known := fields[strings.ToLower(key.Value)]
			if !known && key.Value == name {
				return key, names
			}
			if known {
				if key, fields := unknownKey(node.Content[i+1], field, name); key != nil {
					return key, fields
				}
			}
		}
	}
	return nil, nil
}

// fieldsOf are the JSON fields of a struct: their types by name, which JSON
// compares without case, and the names in order.
func fieldsOf(of reflect.Type) (fields map[string]reflect.Type, names []string) {
	fields = map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[strings.ToLower(name)] = field.Type
		names = append(names, name)
	}
	return fields, names
}
