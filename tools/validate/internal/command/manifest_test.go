package command

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
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"
)

// manifestPatterns are the files in which faults are made: all that Flux sees.
var manifestPatterns = []string{"clusters/**/*.yaml", "infrastructure/**/*.yaml", "apps/*/deploy/**/*.yaml"}

// manifest is a file of the repository: its lines, so that a fault changes no other line,
// and all its values.
type manifest struct {
	// repository is the repository that contains the file.
	repository *repository
	name       string
	lines      []string
	entries    []*entry
}

// entry is a value of a manifest, with its path.
type entry struct {
	file   *manifest
	parent *entry
	// kind and name are the object's; empty in a file of settings or in a JSON patch.
	kind, name string
	// path is the value's path in its document, such as spec/triggers/0/type.
	path string
	// key is nil for an item of a list.
	key, value *yaml.Node
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// repository is all manifests, sorted by name.
type repository []*manifest

func readRepository(t *testing.T, root string) repository {
	t.Helper()
	repo := &repository{}
	for _, pattern := range manifestPatterns {
		names, err := doublestar.Glob(os.DirFS(root), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no manifest at %s: %v", pattern, err)
		}
		slices.Sort(names)
		for _, name := range names {
			m := readManifest(t, root, name)
			m.repository = repo
			*repo = append(*repo, m)
		}
	}
	return *repo
}

func readManifest(t *testing.T, root, name string) *manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest{name: name, lines: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		root := &entry{file: m, value: document.Content[0]}
		root.kind, root.name = root.text("kind"), root.text("metadata/name")
		m.entries = append(m.entries, root)
		m.descend(root)
	}
}

func (m *manifest) descend(e *entry) {
	add := func(element string, key, value *yaml.Node) {
		child := &entry{file: m, parent: e, kind: e.kind, name: e.name, path: path.Join(e.path, element), key: key, value: value}
		m.entries = append(m.entries, child)
		m.descend(child)
	}
	for i, node := range e.value.Content {
		switch {
		case e.value.Kind == yaml.SequenceNode:
			add(fmt.Sprint(i), nil, node)
		case i%2 == 0:
			add(strings.ReplaceAll(node.Value, "/", "~1"), node, e.value.Content[i+1])
		}
	}
}

// text returns the scalar at a path of mappings below the entry, or empty.
func (e *entry) text(at string) string {
	node := e.value
	for element := range strings.SplitSeq(at, "/") {
		i := -1
		if node.Kind == yaml.MappingNode {
			i = slices.IndexFunc(node.Content, func(n *yaml.Node) bool { return n.Value == element })
		}
		if i < 0 || i%2 != 0 {
			return ""
		}
		node = node.Content[i+1]
	}
	return node.Value
}

// find returns the entries of a kind at a path. Both are patterns; the kind "" means
// files without one.
func (r repository) find(kind, pattern string) []*entry {
	var found []*entry
	for _, m := range r {
		for _, e := range m.entries {
			if doublestar.MatchUnvalidated(kind, e.kind) && e.path != "" && doublestar.MatchUnvalidated(pattern, e.path) {
				found = append(found, e)
			}
		}
	}
	return found
}

func (e *entry) isScalar() bool {
	return e.value.Kind == yaml.ScalarNode && e.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// line returns the first line of the entry.
func (e *entry) line() int {
	if e.key != nil {
		return e.key.Line
	}
	return e.value.Line
}

func (e *entry) at() place { return place{e.file.name, e.line()} }

// lastLine returns the last line of the entry.
func (e *entry) lastLine() int { return lastLine(e.value) }

func lastLine(node *yaml.Node) int {
	last := node.Line
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(strings.TrimSuffix(node.Value, "\n"), "\n") + 1
	}
	for _, content := range node.Content {
		last = max(last, lastLine(content))
	}
	return last
}

// fault is a file with one fault.
type fault struct {
	mutator string
	// what describes the fault in a few words.
	what string
	file string
	text []byte
	// gone is the number of lines that are missing after a line.
	after, gone int
	// right are the places at which a report names the fault: the changed line, and the
	// lines that refer to what is missing.
	right []place
}

func (m *manifest) fault(what string, lines []string, right ...place) fault {
	return fault{what: what, file: m.name, text: []byte(strings.Join(lines, "\n") + "\n"), right: right}
}

// or adds places at which a report is right.
func (f fault) or(entries ...*entry) fault {
	f.right = slices.Clone(f.right)
	for _, e := range entries {
		at := e.at()
		if at.file == f.file && at.line > f.after {
			at.line -= f.gone
		}
		f.right = append(f.right, at)
	}
	return f
}

// replaceAt replaces a node's source on its line.
func (e *entry) replaceAt(node *yaml.Node, text string) fault {
	lines := slices.Clone(e.file.lines)
	line := lines[node.Line-1]
	before, rest := line[:node.Column-1], line[node.Column-1:]
	source := sourceOf(node, rest)
	lines[node.Line-1] = before + text + rest[len(source):]
	return e.file.fault(fmt.Sprintf("%s: %s becomes %s", e.label(), source, text), lines, place{e.file.name, node.Line})
}

// sourceOf returns a value as it is written in its file, including quotes. rest is the
// line from the value on.
func sourceOf(node *yaml.Node, rest string) string {
	switch node.Style {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		return rest[:strings.IndexByte(rest[1:], rest[0])+2]
	case yaml.FlowStyle:
		return rest[:strings.LastIndexAny(rest, "}]")+1]
	}
	return rest[:len(node.Value)]
}

func (e *entry) label() string {
	return fmt.Sprintf("%s %s", e.at(), e.path)
}

// set changes the value.
func (e *entry) set(text string) fault { return e.replaceAt(e.value, text) }

// misspelt returns the entry with two letters of its value swapped.
func (e *entry) misspelt() fault { return e.set(misspell(e.value.Value)) }

// misspeltIn swaps two letters of a part of the value.
func (e *entry) misspeltIn(part string) fault {
	return e.set(strings.Replace(e.value.Value, part, misspell(part), 1))
}

// renamed changes the key.
func (e *entry) renamed(key string) fault { return e.replaceAt(e.key, key) }

// misspell swaps the last two letters that differ.
func misspell(text string) string {
	letters := []byte(text)
	for i := len(letters) - 1; i > 0; i-- {
		if isLetter(letters[i]) && isLetter(letters[i-1]) && letters[i] != letters[i-1] {
			letters[i], letters[i-1] = letters[i-1], letters[i]
			return string(letters)
		}
	}
	return text + "x"
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// removed removes an entry, and its parent if it was the last entry. An entry that shares
// a line with others is not removed: ok is false.
func (e *entry) removed() (f fault, ok bool) {
	for e.parent != nil && e.parent.parent != nil && len(e.parent.value.Content) == e.width() {
		e = e.parent
	}
	if e.parent == nil || e.parent.value.Style&yaml.FlowStyle != 0 {
		return fault{}, false
	}
	first, last := e.line(), e.lastLine()
	lines := slices.Clone(e.file.lines)
	start := lines[first-1][:column(e)-1]
	switch {
	case e.key != nil && strings.HasSuffix(start, "- "):
		// The next entry takes over the dash.
		if len(lines) <= last || !strings.HasPrefix(lines[last], strings.Repeat(" ", len(start))) {
			return fault{}, false
		}
		lines[last] = start + lines[last][len(start):]
	case strings.TrimLeft(start, " -") != "":
		return fault{}, false
	}
	lines = slices.Delete(lines, first-1, last)
	f = e.file.fault(e.label()+" is removed", lines, place{e.file.name, max(1, e.parent.line())})
	f.after, f.gone = last, last-first+1
	return f, true
}

// width returns the number of its parent's nodes that the entry has.
func (e *entry) width() int {
	if e.key != nil {
		return 2
	}
	return 1
}

func column(e *entry) int {
	if e.key != nil {
		return e.key.Column
	}
	return e.value.Column
}

// beside adds a line before the entry, as a sibling.
func (e *entry) beside(text string) fault {
	indent := strings.Repeat(" ", column(e)-1)
	lines := slices.Insert(slices.Clone(e.file.lines), e.line()-1, indent+text)
	// The entry has moved down.
	return e.file.fault(fmt.Sprintf("%s gets %s", e.label(), text), lines, place{e.file.name, e.line()}, place{e.file.name, e.line() + 1})
}

// copyRepository copies what a run reads.
func copyRepository(t *testing.T, from, to string) {
	t.Helper()
	patterns := append([]string{".validate.yaml", "{,*/}.sourceignore", "tools/engines/*/go.{mod,sum}", "apps/*/deploy/**/*.{asc,csv}", "crossplane/apis/**/*.yaml"}, manifestPatterns...)
	for _, pattern := range patterns {
		names, err := doublestar.Glob(os.DirFS(from), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := fs.ReadFile(os.DirFS(from), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(to, path.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
