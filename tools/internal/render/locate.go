package render

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
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
type positions struct{ files map[string][]*document }

func newPositions() *positions { return &positions{files: map[string][]*document{}} }

// document is one YAML document: where it stands, and its tree.
type document struct {
	name string // the file, as findings call it
	root *yaml.Node
	// offset is added to the nodes' lines: a patch within another file.
	offset int
}

func (p *positions) read(file, name string) []*document {
	if documents, known := p.files[file]; known {
		return documents
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	p.files[file] = parse(data, name, 0)
	return p.files[file]
}

// parse reads as many documents as are well-formed.
func parse(data []byte, name string, offset int) []*document {
	var documents []*document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			return documents
		}
		if len(node.Content) == 1 {
			documents = append(documents, &document{name: name, root: node.Content[0], offset: offset})
		}
	}
}

func (d *document) at(node *yaml.Node) Location {
	return Location{File: d.name, Line: node.Line + d.offset, Column: node.Column}
}

// text is a document's value at a path of keys, or empty.
func (d *document) text(keys ...string) string {
	node := d.root
	for _, key := range keys {
		_, node = child(node, key)
		if node == nil {
			return ""
		}
	}
	return node.Value
}

func child(node *yaml.Node, key string) (name, value *yaml.Node) {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i], node.Content[i+1]
		}
	}
	return nil, nil
}

// locate is Locate of the Kustomization's own object; the folder of a root that
// nothing in the repository declares.
func (k *Kustomization) locate(field ...any) Location {
	if k.Object == nil {
		return Location{File: path.Clean(k.Spec.Path)}
	}
	return k.Object.Locate(field...)
}

// Locate is the place that says a field of the object: the patch that sets it,
// outermost first, else the manifest, else the generator that makes it. The
// field's elements are keys and list indices. A field that is said nowhere is
// located at the nearest one around it.
func (o *Object) Locate(field ...any) Location {
	k := o.Owner
	if k == nil || k.build == nil {
		return Location{}
	}
	best, depth := Location{}, -1
	consider := func(at Location, matched int) {
		if matched > depth {
			best, depth = at, matched
		}
	}
	for _, find := range []func(*Object, []any, func(Location, int)){
		k.locateInImages, k.locateInPatches, k.locateInManifest, k.locateInGenerators, k.locateInKustomization,
	} {
		find(o, field, consider)
		if depth == len(field) {
			break
		}
	}
	if depth < 0 {
		return k.locate("spec", "path")
	}
	return best
}

// find is the first line of what makes up the object that a pattern matches.
func (o *Object) find(pattern *regexp.Regexp) Location {
	k := o.Owner
	for _, l := range k.build.layers {
		for _, p := range k.patchesOf(l) {
			if p.appliesTo(o) {
				if line := lineMatching(p.text, pattern); line > 0 {
					return Location{File: p.name, Line: line + p.offset}
				}
			}
		}
	}
	if d := k.build.manifest(o); d != nil {
		start, end := d.root.Line, lastLine(d.root)
		data, _ := os.ReadFile(k.build.path(d.name))
		for i, line := range strings.Split(string(data), "\n") {
			if i+1 >= start && i+1 <= end && pattern.MatchString(line) {
				return Location{File: d.name, Line: i + 1}
			}
		}
	}
	for _, l := range k.build.layers {
		if line := lineMatching(string(l.data), pattern); line > 0 {
			return Location{File: l.name, Line: line}
		}
	}
	return o.Locate()
}

func lineMatching(text string, pattern *regexp.Regexp) int {
	for i, line := range strings.Split(text, "\n") {
		if pattern.MatchString(line) {
			return i + 1
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

// path is where a file of the artifact lies, by its name in findings.
func (b *build) path(name string) string {
	if b.source.Name != "" {
		name = strings.TrimPrefix(name, b.source.Name+"/")
	}
	return filepath.Join(b.source.Dir, filepath.FromSlash(name))
}

// documents are the manifests that the build's layers list as resources.
func (b *build) documents() []*document {
	var all []*document
	for _, l := range b.layers {
		for _, entry := range l.Resources {
			relative := path.Join(l.dir, entry)
			all = append(all, b.positions.read(filepath.Join(b.source.Dir, filepath.FromSlash(relative)), b.source.File(relative))...)
		}
	}
	return all
}

// manifest is the document that an object began as: of its kind and name, or
// of a name that prefixes and suffixes were put around.
func (b *build) manifest(o *Object) *document {
	kind, name, namespace := o.GetKind(), o.templateName(), o.GetNamespace()
	var best *document
	bestScore := 0
	for _, d := range b.documents() {
		if d.text("kind") != kind {
			continue
		}
		score := 0
		switch declared := d.text("metadata", "name"); {
		case declared == name:
			score = 4
		case declared != "" && strings.Contains(name, declared) && b.renames():
			score = 2
		default:
			continue
		}
		if d.text("metadata", "namespace") == namespace {
			score++
		}
		if score > bestScore {
			best, bestScore = d, score
		}
	}
	return best
}

func (b *build) renames() bool {
	return slices.ContainsFunc(b.layers, func(l layer) bool { return l.NamePrefix != "" || l.NameSuffix != "" })
}

// templateName is the object's name before substitution.
func (o *Object) templateName() string {
	if metadata, ok := o.template["metadata"].(map[string]any); ok {
		if name, ok := metadata["name"].(string); ok {
			return name
		}
	}
	return o.GetName()
}

func (k *Kustomization) locateInManifest(o *Object, field []any, consider func(Location, int)) {
	if d := k.build.manifest(o); d != nil {
		node, depth := follow(d.root, field, o.template)
		consider(d.at(node), depth)
	}
}

// follow goes down a tree along a field as far as the tree goes. The element of
// a list is the one with the same identity as in the object, because patches
// move elements; content is the object. The node is the value's key where it
// has one.
func follow(node *yaml.Node, field []any, content any) (*yaml.Node, int) {
	at := node
	for depth, element := range field {
		var name, value *yaml.Node
		switch element := element.(type) {
		case string:
			name, value = child(node, element)
			if mapping, ok := content.(map[string]any); ok {
				content = mapping[element]
			}
		case int:
			var item any
			if list, ok := content.([]any); ok && element < len(list) {
				item = list[element]
			}
			value = itemOf(node, element, item)
			name, content = value, item
		}
		if value == nil {
			return at, depth
		}
		at, node = name, value
	}
	return at, len(field)
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

func itemOf(node *yaml.Node, index int, item any) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil
	}
	if mapping, ok := item.(map[string]any); ok {
		for _, key := range identities {
			identity, found := mapping[key]
			if !found {
				continue
			}
			for _, content := range node.Content {
				if _, value := child(content, key); value != nil && value.Value == fmt.Sprint(identity) {
					return content
				}
			}
			return nil
		}
	}
	if index < len(node.Content) {
		return node.Content[index]
	}
	return nil
}

// patch is one patch of a layer.
type patch struct {
	name   string // the file, as findings call it
	text   string
	offset int // of the text's first line in the file, less one
	target *types.Selector
}

func (p patch) documents() []*document { return parse([]byte(p.text), p.name, p.offset) }

// appliesTo tells whether a patch is about an object: by its target, or by the
// kind and name that it carries itself.
func (p patch) appliesTo(o *Object) bool {
	if p.target != nil {
		return matches(p.target.Kind, o.GetKind()) && matches(p.target.Name, o.templateName()) &&
			matches(p.target.Group, o.GroupVersionKind().Group) && matches(p.target.Namespace, o.GetNamespace())
	}
	return slices.ContainsFunc(p.documents(), func(d *document) bool { return d.text("kind") == o.GetKind() && strings.Contains(o.templateName(), d.text("metadata", "name")) })
}

// matches is kustomize's: an empty selector takes everything, and a pattern
// takes whole names.
func matches(pattern, value string) bool {
	if pattern == "" || pattern == value {
		return true
	}
	expression, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && expression.MatchString(value)
}

// patchesOf lists the patches of a layer with their places. Those that the
// Kustomization adds to the outermost layer stand in its own file.
func (k *Kustomization) patchesOf(l layer) []patch {
	var patches []patch
	own := parse(k.build.content(l), l.name, 0)
	for i, p := range l.Patches {
		switch {
		case p.Path != "":
			relative := path.Join(l.dir, p.Path)
			data, _ := os.ReadFile(filepath.Join(k.build.source.Dir, relative))
			patches = append(patches, patch{name: k.build.source.File(relative), text: string(data), target: p.Target})
		default:
			name, offset := inlinePlace(own, "patches", i)
			if name == "" && k.Object != nil {
				added := len(l.Patches) - len(k.Spec.Patches)
				name, offset = k.Object.inline("spec", "patches", i-added, "patch")
			}
			patches = append(patches, patch{name: name, text: p.Patch, offset: offset, target: p.Target})
		}
	}
	for _, p := range l.PatchesStrategicMerge {
		relative := path.Join(l.dir, string(p))
		data, err := os.ReadFile(filepath.Join(k.build.source.Dir, relative))
		if err == nil {
			patches = append(patches, patch{name: k.build.source.File(relative), text: string(data)})
		}
	}
	for _, p := range l.PatchesJson6902 {
		relative := path.Join(l.dir, p.Path)
		data, err := os.ReadFile(filepath.Join(k.build.source.Dir, relative))
		if err == nil {
			patches = append(patches, patch{name: k.build.source.File(relative), text: string(data), target: p.Target})
		}
	}
	slices.Reverse(patches) // the last one wins
	return patches
}

// content is a layer's file as the repository holds it; the outermost one is
// built from a completed copy.
func (b *build) content(l layer) []byte {
	data, err := os.ReadFile(filepath.Join(b.source.Dir, filepath.FromSlash(l.file)))
	if err != nil {
		return nil
	}
	return data
}

// inlinePlace is where the text of an inline patch begins.
func inlinePlace(documents []*document, list string, index int) (name string, offset int) {
	for _, d := range documents {
		node, depth := follow(d.root, []any{list, index}, nil)
		if depth < 2 {
			continue
		}
		if _, text := child(node, "patch"); text != nil {
			return d.name, textOffset(text)
		}
	}
	return "", 0
}

// textOffset is what the lines of a text within a scalar lack to the file's: a
// block begins on the line after its indicator.
func textOffset(node *yaml.Node) int {
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return node.Line
	}
	return node.Line - 1
}

// inline is where the text of a field begins that holds a patch.
func (o *Object) inline(field ...any) (name string, offset int) {
	if d := o.Owner.build.manifest(o); d != nil {
		node := d.root
		for _, element := range field {
			var value *yaml.Node
			switch element := element.(type) {
			case string:
				_, value = child(node, element)
			case int:
				if node.Kind == yaml.SequenceNode && element >= 0 && element < len(node.Content) {
					value = node.Content[element]
				}
			}
			if value == nil {
				at := o.Locate(field[:1]...)
				return at.File, max(0, at.Line-1)
			}
			node = value
		}
		return d.name, textOffset(node) + d.offset
	}
	at := o.Locate(field[:1]...)
	return at.File, max(0, at.Line-1)
}

func (k *Kustomization) locateInPatches(o *Object, field []any, consider func(Location, int)) {
	for _, l := range k.build.layers {
		for _, p := range k.patchesOf(l) {
			if !p.appliesTo(o) {
				continue
			}
			for _, d := range p.documents() {
				if d.root.Kind == yaml.SequenceNode {
					locateInOperations(d, o, field, consider)
					continue
				}
				// What a patch says around a field is no better than what the
				// manifest says: only the field itself counts.
				if node, depth := follow(d.root, field, o.template); depth == len(field) && depth > 0 {
					consider(d.at(node), depth)
				}
			}
		}
	}
}

// locateInOperations looks a field up in a JSON 6902 patch.
func locateInOperations(d *document, o *Object, field []any, consider func(Location, int)) {
	for _, operation := range slices.Backward(d.root.Content) {
		_, pointer := child(operation, "path")
		name, value := child(operation, "value")
		if pointer == nil || value == nil {
			continue
		}
		tokens := strings.Split(strings.TrimPrefix(pointer.Value, "/"), "/")
		if len(tokens) > len(field) || !pointsTo(tokens, field) {
			continue
		}
		content := any(o.template)
		for _, element := range field[:len(tokens)] {
			content = into(content, element)
		}
		if tokens[len(tokens)-1] == "-" && !sameValue(value, content) {
			continue
		}
		node, depth := follow(value, field[len(tokens):], content)
		if depth == len(field)-len(tokens) {
			if depth == 0 {
				node = name
			}
			consider(d.at(node), len(field))
		}
	}
}

func pointsTo(tokens []string, field []any) bool {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, token := range tokens {
		if token != "-" && unescape.Replace(token) != fmt.Sprint(field[i]) {
			return false
		}
	}
	return true
}

func into(content, element any) any {
	switch element := element.(type) {
	case string:
		if mapping, ok := content.(map[string]any); ok {
			return mapping[element]
		}
	case int:
		if list, ok := content.([]any); ok && element < len(list) {
			return list[element]
		}
	}
	return nil
}

// sameValue tells whether a node says a value of the object, numbers aside.
func sameValue(node *yaml.Node, content any) bool {
	var said any
	if err := node.Decode(&said); err != nil {
		return false
	}
	return reflect.DeepEqual(fmt.Sprint(said), fmt.Sprint(content))
}

// locateInImages finds the `images` entry that rewrote an image.
func (k *Kustomization) locateInImages(o *Object, field []any, consider func(Location, int)) {
	if len(field) == 0 || field[len(field)-1] != "image" {
		return
	}
	content := any(o.template)
	for _, element := range field {
		content = into(content, element)
	}
	image, _ := content.(string)
	for i, entry := range k.Spec.Images {
		if setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
			consider(k.locate("spec", "images", i), len(field))
		}
	}
	for _, l := range k.build.layers {
		for i, entry := range l.Images {
			if !setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
				continue
			}
			for _, d := range parse(k.build.content(l), l.name, 0) {
				if node, depth := follow(d.root, []any{"images", i}, nil); depth == 2 {
					consider(d.at(node), len(field))
				}
			}
		}
	}
}

func setsImage(image, name, newName, newTag, digest string) bool {
	if newName != "" {
		name = newName
	}
	rest, found := strings.CutPrefix(image, name)
	switch {
	case !found:
		return false
	case digest != "":
		return strings.HasSuffix(rest, "@"+digest)
	case newTag != "":
		return rest == ":"+newTag
	default:
		return rest == "" || strings.ContainsAny(rest[:1], ":@")
	}
}

// locateInGenerators finds the generator of a ConfigMap or Secret.
func (k *Kustomization) locateInGenerators(o *Object, field []any, consider func(Location, int)) {
	list := map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}[o.GetKind()]
	if list == "" {
		return
	}
	for _, l := range k.build.layers {
		for _, d := range parse(k.build.content(l), l.name, 0) {
			_, generators := child(d.root, list)
			if generators == nil {
				continue
			}
			for _, generator := range generators.Content {
				_, name := child(generator, "name")
				if name == nil || !strings.Contains(o.templateName(), name.Value) {
					continue
				}
				if len(field) == 2 && field[0] == "data" {
					if node := entryOf(generator, fmt.Sprint(field[1])); node != nil {
						consider(d.at(node), 2)
					}
				}
				consider(d.at(generator), 0)
			}
		}
	}
}

// entryOf is the line of a generator that gives a key.
func entryOf(generator *yaml.Node, key string) *yaml.Node {
	for _, list := range []string{"literals", "files", "envs"} {
		_, entries := child(generator, list)
		if entries == nil {
			continue
		}
		for _, entry := range entries.Content {
			if strings.HasPrefix(entry.Value, key+"=") || path.Base(entry.Value) == key {
				return entry
			}
		}
	}
	return nil
}

// locateInKustomization finds what a kustomization's own fields set.
func (k *Kustomization) locateInKustomization(_ *Object, field []any, consider func(Location, int)) {
	if !reflect.DeepEqual(field, []any{"metadata", "namespace"}) {
		return
	}
	for _, l := range k.build.layers {
		for _, d := range parse(k.build.content(l), l.name, 0) {
			if name, _ := child(d.root, "namespace"); name != nil {
				consider(d.at(name), len(field))
			}
		}
	}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yamlErrorLine is the line that a YAML error names, or zero.
func yamlErrorLine(err error) int {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return 0
	}
	line, _ := strconv.Atoi(match[1])
	return line
}
