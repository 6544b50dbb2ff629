package origin

import (
	"bytes"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
)

// Files reads files with their line numbers, each file once and only when it is needed.
type Files struct {
	files    memo.Memo[string, *File]
	mentions memo.Memo[string, mentions] // by the source's folder
}

// File is a file of an artifact. A nil File is one that cannot be read.
type File struct {
	Name      string // name in findings
	Data      []byte
	Documents []*Document
}

// Document is one YAML document: its position and its nodes.
type Document struct {
	File *File
	Root *yaml.Node
	// Offset is added to the nodes' lines, for a patch within another file.
	Offset int
}

// Read reads the file at a path. name is its name in findings.
func (f *Files) Read(path, name string) *File {
	read, _ := f.files.Get(path, func() (*File, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f := &File{Name: name, Data: data}
		if limits.Check(data) == nil {
			f.Documents = ParseDocuments(f, data, 0)
		}
		return f, nil
	})
	return read
}

// ParseDocuments parses documents up to the first malformed one; a list counts as its
// items. offset is added to the lines.
func ParseDocuments(f *File, data []byte, offset int) []*Document {
	var documents []*Document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			return documents
		}
		if len(node.Content) != 1 {
			continue
		}
		d := &Document{File: f, Root: node.Content[0], Offset: offset}
		_, items := Child(d.Root, "items")
		if items == nil || items.Kind != yaml.SequenceNode || !strings.HasSuffix(d.Text("kind"), "List") {
			documents = append(documents, d)
			continue
		}
		for _, item := range items.Content {
			documents = append(documents, &Document{File: f, Root: item, Offset: offset})
		}
	}
}

// At returns the place of a node.
func (d *Document) At(node *yaml.Node) Location {
	return Location{File: d.File.Name, Line: node.Line + d.Offset, Column: node.Column}
}

// Text returns the document's value at a path of keys, or empty.
func (d *Document) Text(keys ...string) string {
	node := d.Root
	for _, key := range keys {
		if _, node = Child(node, key); node == nil {
			return ""
		}
	}
	return node.Value
}

// Find returns the first line of the document that a pattern matches, or zero.
func (d *Document) Find(pattern *regexp.Regexp) int {
	first, last := d.Root.Line+d.Offset, lastLine(d.Root)+d.Offset
	for i, line := range bytes.Split(d.File.Data, []byte("\n")) {
		if number := i + 1; number >= first && number <= last && pattern.Match(line) {
			return number
		}
	}
	return 0
}

// lastLine returns the last line of a node, including the lines of block text.
func lastLine(node *yaml.Node) int {
	last := node.Line + strings.Count(node.Value, "\n")
	for _, content := range node.Content {
		last = max(last, lastLine(content))
	}
	return last
}

// generatedMark matches a comment at the head of a generated file.
var generatedMark = regexp.MustCompile(`\A(?:---\s*\n|#.*\n|\s*\n)*#.*\bDO NOT EDIT\b`)

// Generated reports whether the file says that a program writes it, and that nobody
// should edit it.
func (f *File) Generated() bool { return generatedMark.Match(f.Data[:min(len(f.Data), 1<<10)]) }

// find returns the first line of the file that a pattern matches, or zero.
func (f *File) find(pattern *regexp.Regexp) int {
	for i, line := range bytes.Split(f.Data, []byte("\n")) {
		if pattern.Match(line) {
			return i + 1
		}
	}
	return 0
}

// within returns the place of a field in the file's own YAML.
func (f *File) within(field []any) Location { return placeIn(f.Documents, f.Name, field) }

// placeIn returns the place of a field in the first document that contains a part of its
// path.
func placeIn(documents []*Document, name string, field []any) Location {
	for _, d := range documents {
		if node, _, depth := Follow(d.Root, field, nil); depth > 0 {
			return d.At(node)
		}
	}
	return Location{File: name, Line: 1}
}
