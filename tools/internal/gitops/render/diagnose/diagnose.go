// Package diagnose finds the line that a build error is about, and the fix. kustomize
// names only the folder, or a file, or nothing, and counts lines within a document.
//
// It reads the input of the build; it builds nothing.
package diagnose

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

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// Error is an error with its place and the fix.
type Error struct {
	At  origin.Location
	Err error
	Fix string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its place.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the probable cause of a build error.
func Of(t *origin.Tree, err error) *Error {
	return cmp.Or(Certain(t, err), &Error{blame(t, err), err, "run `kustomize build` on the path"})
}

// Certain returns the cause of a build error if it is certain, or else nil. It reads
// kustomize's input again, because kustomize names only the folder, or a file, or
// nothing, and counts lines within a document.
func Certain(t *origin.Tree, err error) *Error {
	if located, ok := errors.AsType[*Error](err); ok {
		return located
	}
	if f := t.Read(t.File); f != nil && len(t.Layers) == 0 && limits.Check(f.Data) == nil {
		if cause := cmp.Or(malformed(f, err), unreadable(f)); cause != nil {
			return cause
		}
	}
	for _, l := range t.Layers {
		for _, entry := range origin.Loaded(l.Kustomization) {
			if cause := unloadable(t, l, entry, err); cause != nil {
				return cause
			}
		}
	}
	return nil
}

// unreadable returns why a file is not a kustomization.
func unreadable(f *origin.File) *Error {
	var k types.Kustomization
	if err := k.Unmarshal(f.Data); err != nil {
		return Misread(f.Name, f.Data, err)
	}
	return nil
}

// unloadable returns why kustomize cannot load a file that a layer names.
func unloadable(t *origin.Tree, l origin.Layer, entry string, failure error) *Error {
	file := path.Join(l.Dir, entry)
	if entry == "" || !filepath.IsLocal(filepath.FromSlash(file)) || origin.Address.MatchString(entry) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(t.Source.Dir, filepath.FromSlash(file))); errors.Is(err, fs.ErrNotExist) {
		err := fmt.Errorf("%s names %s, which is not in the source; .sourceignore or .gitignore may leave it out", l.Name, entry)
		return &Error{t.Entry(l, entry), err, Meant(t, l, entry, "add it, or remove the entry")}
	}
	// A generator's file need not be YAML.
	if f := t.Read(file); f != nil && slices.Contains(origin.ManifestFiles(l.Kustomization), entry) {
		return malformed(f, failure)
	}
	return nil
}

// Meant returns the fix for an entry whose file is missing: a similar file beside it, if
// no other entry names that one; or else otherwise.
func Meant(t *origin.Tree, l origin.Layer, entry, otherwise string) string {
	folder := path.Join(l.Dir, path.Dir(entry))
	if !filepath.IsLocal(filepath.FromSlash(folder)) {
		return otherwise
	}
	entries, _ := os.ReadDir(filepath.Join(t.Source.Dir, filepath.FromSlash(folder)))
	var names []string
	for _, e := range entries {
		if !slices.Contains(origin.Loaded(l.Kustomization), path.Join(path.Dir(entry), e.Name())) {
			names = append(names, e.Name())
		}
	}
	if name := spelling.Nearest(path.Base(entry), names); name != "" {
		return fmt.Sprintf("did you mean %s?", path.Join(path.Dir(entry), name))
	}
	return otherwise
}

// malformed finds the first fault in a file's YAML: invalid syntax, or a duplicate key. A
// parser names the line where an unfinished part begins or, within a document, the line
// where it gave up; the later one is closer to the fault.
func malformed(f *origin.File, failure error) *Error {
	for _, d := range f.Documents {
		if cause := doubled(f.Name, d); cause != nil {
			return cause
		}
	}
	err := syntax(f.Data)
	if err == nil {
		return nil
	}
	line := max(1, origin.YAMLErrorLine(err.Error()), origin.YAMLErrorLine(failure.Error()))
	text := origin.YAMLLine.ReplaceAllString(err.Error(), fmt.Sprintf("line %d", line))
	return &Error{origin.Location{File: f.Name, Line: line}, fmt.Errorf("%s: %s", f.Name, text), "correct the YAML"}
}

// syntax returns why a text is not YAML. The guard reports content that kustomize must
// not see.
func syntax(data []byte) error {
	if limits.Check(data) != nil {
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

// doubled finds a duplicate key in a mapping of the document.
func doubled(name string, d *origin.Document) *Error {
	var find func(*yaml.Node) *Error
	find = func(node *yaml.Node) *Error {
		first := map[string]int{}
		for i, content := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 0 && content.Tag != "!!merge" {
				if line, twice := first[content.Value]; twice {
					err := fmt.Errorf("%s: %s is there twice, on line %d too", name, content.Value, line)
					return &Error{d.At(content), err, "join the two, or remove one"}
				}
				first[content.Value] = content.Line + d.Offset
			}
			if cause := find(content); cause != nil {
				return cause
			}
		}
		return nil
	}
	return find(d.Root)
}

// Ignored lists the fields of kustomization files that have no effect: Flux's generator
// drops unknown fields of the outermost file, and of duplicate keys the last one wins.
func Ignored(t *origin.Tree) []*Error {
	var ignored []*Error
	if f := t.Read(t.File); f != nil {
		if cause := unreadable(f); cause != nil {
			cause.Err = fmt.Errorf("%w, which Flux leaves out and `kustomize build` refuses", cause.Err)
			ignored = append(ignored, cause)
		}
	}
	for _, name := range t.KustomizationFiles() {
		for _, l := range t.Layers {
			f := t.Read(l.File)
			if l.Name != name || f == nil || len(f.Documents) == 0 {
				continue
			}
			if cause := doubled(name, f.Documents[0]); cause != nil {
				cause.Err = fmt.Errorf("%w: the last one alone counts", cause.Err)
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

// Misread finds the place in a kustomization file that cannot be decoded.
func Misread(name string, data []byte, err error) *Error {
	at := origin.Location{File: name, Line: max(1, origin.YAMLErrorLine(err.Error()))}
	cause := &Error{at, fmt.Errorf("%s: %w", name, err), "correct the field"}
	for _, d := range origin.ParseDocuments(&origin.File{Name: name, Data: data}, data, 0) {
		if match := unknownField.FindStringSubmatch(err.Error()); match != nil {
			if key, fields := unknownKey(d.Root, reflect.TypeFor[types.Kustomization](), match[1]); key != nil {
				cause.At = d.At(key)
				if meant := spelling.Nearest(match[1], fields); meant != "" {
					cause.Fix = fmt.Sprintf("did you mean %s?", meant)
				}
				return cause
			}
		}
		if match := wrongType.FindStringSubmatch(err.Error()); match != nil {
			var field []any
			for _, element := range strings.Split(match[1], ".") {
				field = append(field, element)
			}
			at, _, _ := origin.Follow(d.Root, field, nil)
			cause.At = d.At(at)
			return cause
		}
	}
	return cause
}

// unknownKey returns a key that its mapping's type does not have, and the keys that the
// type has.
func unknownKey(node *yaml.Node, of reflect.Type, name string) (*yaml.Node, []string) {
	node = origin.Resolve(node)
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

// fieldsOf returns the JSON fields of a struct: their types by lower-case name, because
// JSON ignores case, and their names in order.
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
