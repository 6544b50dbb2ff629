package render

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Location is a place in a file. Line and Column count from 1; zero means
// that only the file is known.
type Location struct {
	File         string
	Line, Column int
}

func (l Location) String() string {
	if l.Line == 0 {
		return l.File
	}
	return l.File + ":" + strconv.Itoa(l.Line)
}

// positions reads files for their lines, each once and only when somebody asks.
type positions struct{ files once[string, *file] }

// file is a file of an artifact; nil stands for one that cannot be read.
type file struct {
	name      string // as findings call it
	data      []byte
	documents []*document
}

// document is one YAML document: where it stands, and its tree.
type document struct {
	file *file
	root *yaml.Node
	// offset is added to the nodes' lines: a patch within another file.
	offset int
}

func (p *positions) read(path, name string) *file {
	f, _ := p.files.get(path, func() (*file, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f := &file{name: name, data: data}
		if digestible(data) == nil {
			f.documents = parseDocuments(f, data, 0)
		}
		return f, nil
	})
	return f
}

// parseDocuments reads as many documents as are well-formed; a list counts as its items.
func parseDocuments(f *file, data []byte, offset int) []*document {
	var documents []*document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			return documents
		}
		if len(node.Content) != 1 {
			continue
		}
		d := &document{file: f, root: node.Content[0], offset: offset}
		_, items := child(d.root, "items")
		if items == nil || items.Kind != yaml.SequenceNode || !strings.HasSuffix(d.text("kind"), "List") {
			documents = append(documents, d)
			continue
		}
		for _, item := range items.Content {
			documents = append(documents, &document{file: f, root: item, offset: offset})
		}
	}
}

func (d *document) at(node *yaml.Node) Location {
	return Location{File: d.file.name, Line: node.Line + d.offset, Column: node.Column}
}

// text is a document's value at a path of keys, or empty.
func (d *document) text(keys ...string) string {
	node := d.root
	for _, key := range keys {
		if _, node = child(node, key); node == nil {
			return ""
		}
	}
	return node.Value
}

// find is the first line of the document that a pattern matches, or zero.
func (d *document) find(pattern *regexp.Regexp) int {
	first, last := d.root.Line+d.offset, lastLine(d.root)+d.offset
	for i, line := range bytes.Split(d.file.data, []byte("\n")) {
		if number := i + 1; number >= first && number <= last && pattern.Match(line) {
			return number
		}
	}
	return 0
}

// lastLine is the last line of a node; block text counts its lines.
func lastLine(node *yaml.Node) int {
	last := node.Line + strings.Count(node.Value, "\n")
	for _, content := range node.Content {
		last = max(last, lastLine(content))
	}
	return last
}

// child is an entry of a mapping; what it merges in counts.
func child(node *yaml.Node, key string) (name, value *yaml.Node) {
	node = resolve(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i], node.Content[i+1]
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag == "!!merge" {
			return child(node.Content[i+1], key)
		}
	}
	return nil, nil
}

func resolve(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// follow goes down a tree along a field as far as the tree goes, and tells how
// far that is. The element of a list is the one with the same identity as in
// the object, because patches move elements; content is the object. The node is
// the key of the value where it has one.
func follow(node *yaml.Node, field []any, content any) (at, value *yaml.Node, depth int) {
	at, value = node, node
	for depth, element := range field {
		var name, next *yaml.Node
		switch element := element.(type) {
		case string:
			name, next = child(value, element)
		case int:
			list, _ := content.([]any)
			next = itemOf(resolve(value), element, list)
			name = next
		}
		if next == nil {
			return at, value, depth
		}
		at, value, content = name, next, into(content, element)
	}
	return at, value, len(field)
}

// into is one step down an object.
func into(content, element any) any {
	switch element := element.(type) {
	case string:
		if mapping, ok := content.(map[string]any); ok {
			return mapping[element]
		}
	case int:
		if list, ok := content.([]any); ok && element >= 0 && element < len(list) {
			return list[element]
		}
	}
	return nil
}

// at is the value of an object at a field.
func valueAt(content any, field []any) any {
	for _, element := range field {
		content = into(content, element)
	}
	return content
}

// identities are the keys by which Kubernetes tells list elements apart.
var identities = []string{"name", "key", "containerPort", "port", "mountPath", "type", "kind", "sid", "topologyKey"}

// Identity is the key and the value by which an element of a list is told from
// the others, whatever its position.
func Identity(item any) (key string, value any, ok bool) {
	mapping, _ := item.(map[string]any)
	for _, key := range identities {
		switch value := mapping[key].(type) {
		case nil, map[string]any, []any:
		default:
			return key, value, true
		}
	}
	return "", nil, false
}

// itemOf is the node of a list's element: of elements with the same identity
// the one that comes as late, and without identity the one at the same index.
func itemOf(node *yaml.Node, index int, list []any) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode || index < 0 {
		return nil
	}
	key, value, ok := Identity(into(list, index))
	if !ok {
		if index < len(node.Content) {
			return node.Content[index]
		}
		return nil
	}
	earlier := 0
	for _, item := range list[:index] {
		// As texts, for that is what the nodes have.
		if k, v, _ := Identity(item); k == key && fmt.Sprint(v) == fmt.Sprint(value) {
			earlier++
		}
	}
	for _, content := range node.Content {
		if _, said := child(content, key); said == nil || said.Value != fmt.Sprint(value) {
			continue
		}
		if earlier == 0 {
			return content
		}
		earlier--
	}
	return nil
}

// says tells whether a node says a value of the object, and all of it: a patch
// of some fields is not what says the mapping around them.
func says(node *yaml.Node, content any) bool {
	var said any
	return content != nil && node.Decode(&said) == nil && fmt.Sprint(said) == fmt.Sprint(content)
}

// textOffset is what the lines of a text within a scalar lack to the file's: a
// block begins on the line after its indicator.
func textOffset(node *yaml.Node) int {
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return node.Line
	}
	return node.Line - 1
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yamlErrorLine is the line that a YAML error names, or zero.
func yamlErrorLine(text string) int {
	match := yamlLine.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	line, _ := strconv.Atoi(match[1])
	return line
}

// find is the first line of the file that a pattern matches, or zero.
func (f *file) find(pattern *regexp.Regexp) int {
	for i, line := range bytes.Split(f.data, []byte("\n")) {
		if pattern.Match(line) {
			return i + 1
		}
	}
	return 0
}
