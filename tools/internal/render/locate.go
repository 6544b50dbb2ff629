package render

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/types"
)

// Locate is the place that says a field of the object: what sets it last, else
// the manifest, else the generator that makes the object. The field's elements
// are keys and list indices. A field that is said nowhere is located at the
// nearest one around it.
func (o *Object) Locate(field ...any) Location {
	k := o.Owner
	if k == nil || k.build == nil {
		return Location{}
	}
	if len(field) > 0 {
		for _, find := range []func(*Object, []any) (Location, bool){
			k.locateInFlux, k.locateInImages, k.locateInPatches, k.locateInSettings, k.locateInGenerators,
		} {
			if at, found := find(o, field); found {
				return at
			}
		}
	}
	if d := k.build.manifest(o); d != nil {
		node, _, _ := follow(d.root, field, o.template)
		return d.at(node)
	}
	if g, found := k.build.generator(o); found {
		return g.at(g.root)
	}
	return k.locate("spec", "path")
}

// locate is Locate of the Kustomization's own object; the folder of a root that
// nothing in the repository declares.
func (k *Kustomization) locate(field ...any) Location {
	if k.Object == nil {
		return Location{File: path.Clean(k.Spec.Path)}
	}
	return k.Object.Locate(field...)
}

// find is the first line of what makes up the object that a pattern matches.
func (o *Object) find(pattern *regexp.Regexp) Location {
	k := o.Owner
	var candidates []*document
	for _, p := range k.build.origin().patches {
		if p.appliesTo(o) {
			candidates = append(candidates, k.documentsOf(p)...)
		}
	}
	if d := k.build.manifest(o); d != nil {
		candidates = append(candidates, d)
	}
	for _, g := range k.build.generators(o) {
		candidates = append(append(candidates, g.document), k.build.generatorFiles(g)...)
	}
	for _, l := range k.build.origin().layers {
		candidates = append(candidates, l.documents...)
	}
	for _, d := range candidates {
		if line := d.find(pattern); line > 0 {
			return Location{File: d.file.name, Line: line}
		}
	}
	return o.Locate()
}

// templateName is the object's name before substitution.
func (o *Object) templateName() string {
	name, _ := valueAt(o.template, []any{"metadata", "name"}).(string)
	return cmp.Or(name, o.GetName())
}

// origins is what a build was made from, with positions. It is read when the
// first object is located.
type origins struct {
	layers    []origin
	manifests map[string][]manifest // by kind
	// patches are in the order in which they are asked: the last to apply first.
	patches []patch
}

// origin is a layer with its file as the repository holds it: the outermost one
// is built from a completed copy.
type origin struct {
	layer
	documents []*document
}

// manifest is a document with the name and namespace that its layers give it.
type manifest struct {
	*document
	name, namespace string
}

func (b *build) origin() *origins {
	if b.origins != nil {
		return b.origins
	}
	b.origins = &origins{manifests: map[string][]manifest{}}
	for i, l := range b.layers {
		from := origin{layer: l}
		if f := b.read(l.file); f != nil {
			from.documents = f.documents
		}
		b.origins.layers = append(b.origins.layers, from)
		b.origins.patches = append(b.origins.patches, b.patchesOf(from, i == 0)...)
		for _, entry := range l.Resources {
			f := b.read(path.Join(l.dir, entry))
			if f == nil {
				continue
			}
			for _, d := range f.documents {
				kind := d.text("kind")
				b.origins.manifests[kind] = append(b.origins.manifests[kind], manifest{
					document: d, name: l.prefix + d.text("metadata", "name") + l.suffix, namespace: cmp.Or(l.namespace, d.text("metadata", "namespace")),
				})
			}
		}
	}
	return b.origins
}

// read reads a file of the artifact, or nothing.
func (b *build) read(relative string) *file {
	if !filepath.IsLocal(filepath.FromSlash(relative)) {
		return nil
	}
	return b.positions.read(filepath.Join(b.source.Dir, filepath.FromSlash(relative)), b.source.File(relative))
}

// manifest is the document that an object began as: of its kind and of the name
// that the layers make of it, or that something else was put around.
func (b *build) manifest(o *Object) *document {
	name, namespace, group := o.templateName(), o.GetNamespace(), o.GroupVersionKind().Group
	var best *document
	bestScore := 0
	for _, m := range b.origin().manifests[o.GetKind()] {
		declared := m.text("metadata", "name")
		if declared == "" || groupOf(m.text("apiVersion")) != group {
			continue
		}
		score := 0
		switch {
		case m.name == name:
			score = 6
		case declared == name:
			score = 4 // kinds whose names prefixes leave alone
		case strings.Contains(name, declared):
			score = 2
		default:
			continue
		}
		if m.namespace == namespace {
			score++
		}
		if score > bestScore {
			best, bestScore = m.document, score
		}
	}
	return best
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// patch is one patch of a build.
type patch struct {
	documents []*document
	target    *types.Selector
	// text and flux are those of a patch in the Kustomization's own spec, by its
	// index there; Kustomizations that share a build have it in different files.
	text string
	flux int
}

// patchesOf lists the patches of a layer. Those that the Kustomization adds to
// the outermost layer follow its own.
func (b *build) patchesOf(l origin, outermost bool) []patch {
	var patches []patch
	add := func(list string, i int, file, text string, target *types.Selector) {
		p := patch{target: target, flux: -1}
		if f := b.read(path.Join(l.dir, file)); file != "" && f != nil {
			p.documents = f.documents
		} else if scalar, d := l.inline(list, i); scalar != nil {
			p.documents = parseDocuments(d.file, []byte(scalar.Value), textOffset(scalar)+d.offset)
		} else if outermost && list == "patches" {
			p.text, p.flux = text, i-l.length(list)
		}
		patches = append(patches, p)
	}
	merges, operations := olderPatches(l.Kustomization)
	for i, p := range merges {
		add("patchesStrategicMerge", i, p, "", nil)
	}
	for i, p := range l.Patches {
		add("patches", i, p.Path, p.Patch, p.Target)
	}
	for i, p := range operations {
		add("patchesJson6902", i, p.Path, p.Patch, p.Target)
	}
	slices.Reverse(patches)
	return patches
}

// inline is the scalar that holds the text of a patch.
func (l origin) inline(list string, i int) (*yaml.Node, *document) {
	for _, d := range l.documents {
		_, item, depth := follow(d.root, []any{list, i}, nil)
		if depth < 2 {
			continue
		}
		if _, text := child(item, "patch"); text != nil {
			item = text
		}
		if item.Kind == yaml.ScalarNode {
			return item, d
		}
	}
	return nil, nil
}

// length is the number of entries that a list of the layer's file has.
func (l origin) length(list string) int {
	for _, d := range l.documents {
		if _, entries := child(d.root, list); entries != nil {
			return len(entries.Content)
		}
	}
	return 0
}

// documentsOf are the documents of a patch, in the Kustomization's own manifest
// if it stands there.
func (k *Kustomization) documentsOf(p patch) []*document {
	if p.flux < 0 || k.Object == nil || k.Object.Owner.build == nil {
		return p.documents
	}
	d := k.Object.Owner.build.manifest(k.Object)
	if d == nil {
		return nil
	}
	field := []any{"spec", "patches", p.flux, "patch"}
	_, scalar, depth := follow(d.root, field, nil)
	if depth < len(field) {
		// The Kustomization is patched itself: all that can be said is where.
		at := k.Object.Locate("spec", "patches")
		return parseDocuments(&file{name: at.File}, []byte(p.text), at.Line-1)
	}
	return parseDocuments(d.file, []byte(p.text), textOffset(scalar)+d.offset)
}

// appliesTo tells whether a patch is about an object: by its target, or by the
// kind and name that it carries itself.
func (p patch) appliesTo(o *Object) bool {
	if t := p.target; t != nil {
		return matches(t.Kind, o.GetKind()) && matches(t.Name, o.templateName()) &&
			matches(t.Group, o.GroupVersionKind().Group) && matches(t.Namespace, o.GetNamespace()) &&
			selects(t.LabelSelector, o.GetLabels()) && selects(t.AnnotationSelector, o.GetAnnotations())
	}
	documents := p.documents
	if p.flux >= 0 {
		documents = parseDocuments(&file{}, []byte(p.text), 0)
	}
	return slices.ContainsFunc(documents, func(d *document) bool {
		return d.text("kind") == o.GetKind() && strings.Contains(o.templateName(), d.text("metadata", "name"))
	})
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

func selects(selector string, set map[string]string) bool {
	parsed, err := labels.Parse(selector)
	return err == nil && parsed.Matches(labels.Set(set))
}

func (k *Kustomization) locateInPatches(o *Object, field []any) (Location, bool) {
	for _, p := range k.build.origin().patches {
		if !p.appliesTo(o) {
			continue
		}
		for _, d := range k.documentsOf(p) {
			if d.root.Kind == yaml.SequenceNode {
				if at, found := locateInOperations(d, o, field); found {
					return at, true
				}
				continue
			}
			// What a patch says around a field is no better than what the
			// manifest says, and neither is what something else overrides.
			name, value, depth := follow(d.root, field, o.template)
			if depth == len(field) && says(value, valueAt(o.template, field)) {
				return d.at(name), true
			}
		}
	}
	return Location{}, false
}

// locateInOperations looks a field up in a JSON 6902 patch.
func locateInOperations(d *document, o *Object, field []any) (Location, bool) {
	for _, operation := range slices.Backward(d.root.Content) {
		_, pointer := child(operation, "path")
		key, value := child(operation, "value")
		if pointer == nil || value == nil {
			continue
		}
		tokens := strings.Split(strings.TrimPrefix(pointer.Value, "/"), "/")
		if len(tokens) > len(field) || !pointsTo(tokens, field) {
			continue
		}
		name, said, depth := follow(value, field[len(tokens):], valueAt(o.template, field[:len(tokens)]))
		if depth < len(field)-len(tokens) || !says(said, valueAt(o.template, field)) {
			continue
		}
		if depth == 0 {
			name = key
		}
		return d.at(name), true
	}
	return Location{}, false
}

var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")

func pointsTo(tokens []string, field []any) bool {
	for i, token := range tokens {
		if token != "-" && pointerEscapes.Replace(token) != fmt.Sprint(field[i]) {
			return false
		}
	}
	return true
}

// locateInFlux finds what the Kustomization's own spec sets after, or instead
// of, the build's.
func (k *Kustomization) locateInFlux(o *Object, field []any) (Location, bool) {
	if k.Object == nil {
		return Location{}, false
	}
	said := func(where ...any) (Location, bool) { return k.Object.Locate(where...), true }
	if slices.Equal(field, []any{"metadata", "namespace"}) && k.Spec.TargetNamespace != "" && o.GetNamespace() == k.Spec.TargetNamespace {
		return said("spec", "targetNamespace")
	}
	if meta := k.Spec.CommonMetadata; meta != nil && len(field) == 3 && field[0] == "metadata" {
		for name, pairs := range map[any]map[string]string{"labels": meta.Labels, "annotations": meta.Annotations} {
			if key, _ := field[2].(string); name == field[1] && pairs[key] != "" {
				return said("spec", "commonMetadata", name, key)
			}
		}
	}
	return Location{}, false
}

// locateInImages finds the `images` entry that rewrote an image.
func (k *Kustomization) locateInImages(o *Object, field []any) (Location, bool) {
	image, _ := valueAt(o.template, field).(string)
	if field[len(field)-1] != "image" || image == "" {
		return Location{}, false
	}
	for i, entry := range k.Spec.Images {
		if setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
			return k.locate("spec", "images", i), true
		}
	}
	for _, l := range k.build.origin().layers {
		for i, entry := range l.Images {
			if !setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
				continue
			}
			for _, d := range l.documents {
				if node, _, depth := follow(d.root, []any{"images", i}, nil); depth == 2 {
					return d.at(node), true
				}
			}
		}
	}
	return Location{}, false
}

func setsImage(image, name, newName, newTag, digest string) bool {
	rest, found := strings.CutPrefix(image, cmp.Or(newName, name))
	switch {
	case !found:
		return false
	case digest != "":
		return strings.HasSuffix(rest, "@"+digest)
	case newTag != "":
		return rest == ":"+newTag
	default:
		return newName != "" && (rest == "" || rest[0] == ':' || rest[0] == '@')
	}
}

// locateInSettings finds what a kustomization's own fields set: the namespace,
// labels, annotations, replicas.
func (k *Kustomization) locateInSettings(o *Object, field []any) (Location, bool) {
	content := valueAt(o.template, field)
	for _, l := range k.build.origin().layers {
		for _, setting := range l.settings(o, field) {
			for _, d := range l.documents {
				name, value, depth := follow(d.root, setting, nil)
				if depth == len(setting) && says(value, content) {
					return d.at(name), true
				}
			}
		}
	}
	return Location{}, false
}

// settings are the fields of a kustomization that may set a field of an object.
func (l origin) settings(o *Object, field []any) [][]any {
	var settings [][]any
	switch {
	case slices.Equal(field, []any{"metadata", "namespace"}):
		settings = append(settings, []any{"namespace"})
	case slices.Equal(field, []any{"spec", "replicas"}):
		for i, replica := range l.Replicas {
			if strings.Contains(o.templateName(), replica.Name) {
				settings = append(settings, []any{"replicas", i, "count"})
			}
		}
	case len(field) < 2:
	case field[len(field)-2] == "annotations":
		settings = append(settings, []any{"commonAnnotations", field[len(field)-1]})
	case field[len(field)-2] == "labels" || field[len(field)-2] == "matchLabels":
		settings = append(settings, []any{"commonLabels", field[len(field)-1]})
		for i := range l.Labels {
			settings = append(settings, []any{"labels", i, "pairs", field[len(field)-1]})
		}
	}
	return settings
}

// generator is an entry of configMapGenerator or secretGenerator.
type generator struct {
	*document
	layer origin
}

// generators are the entries that make up an object, outermost first.
func (b *build) generators(o *Object) []generator {
	list := map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}[o.GetKind()]
	if list == "" {
		return nil
	}
	var found []generator
	for _, l := range b.origin().layers {
		for _, d := range l.documents {
			_, entries := child(d.root, list)
			if entries == nil {
				continue
			}
			for _, entry := range entries.Content {
				_, name := child(entry, "name")
				if name != nil && isGenerated(o.templateName(), l.prefix+name.Value+l.suffix) {
					found = append(found, generator{&document{file: d.file, root: entry, offset: d.offset}, l})
				}
			}
		}
	}
	return found
}

// generator is the entry that an object began as.
func (b *build) generator(o *Object) (generator, bool) {
	all := b.generators(o)
	if len(all) == 0 {
		return generator{}, false
	}
	return all[len(all)-1], true
}

var hashSuffix = regexp.MustCompile(`^(-[a-z0-9]{10})?$`)

func isGenerated(name, declared string) bool {
	rest, found := strings.CutPrefix(name, declared)
	return found && hashSuffix.MatchString(rest)
}

// locateInGenerators finds what gives a key its value: a literal, a line of an
// env file, or a file.
func (k *Kustomization) locateInGenerators(o *Object, field []any) (Location, bool) {
	if len(field) != 2 || field[0] != "data" {
		return Location{}, false
	}
	key, _ := field[1].(string)
	assignment := regexp.MustCompile(`^\s*(export )?` + regexp.QuoteMeta(key) + `\s*=`)
	for _, g := range k.build.generators(o) {
		for _, entry := range g.entries("literals") {
			if name, _, _ := strings.Cut(entry.Value, "="); name == key {
				return g.at(entry), true
			}
		}
		for _, entry := range g.entries("envs") {
			if f := k.build.read(path.Join(g.layer.dir, entry.Value)); f != nil {
				if line := f.find(assignment); line > 0 {
					return Location{File: f.name, Line: line}, true
				}
			}
		}
		for _, entry := range g.entries("files") {
			name, _, _ := strings.Cut(entry.Value, "=")
			if path.Base(name) != key {
				continue
			}
			if f := k.build.read(path.Join(g.layer.dir, sourceFile(entry.Value))); f != nil {
				return Location{File: f.name, Line: 1}, true
			}
		}
	}
	return Location{}, false
}

func (g generator) entries(list string) []*yaml.Node {
	if _, entries := child(g.root, list); entries != nil {
		return entries.Content
	}
	return nil
}

// generatorFiles are the files that a generator reads, each as one document.
func (b *build) generatorFiles(g generator) []*document {
	var documents []*document
	for _, entry := range append(g.entries("files"), g.entries("envs")...) {
		if f := b.read(path.Join(g.layer.dir, sourceFile(entry.Value))); f != nil {
			whole := &yaml.Node{Kind: yaml.ScalarNode, Line: 1, Value: string(f.data)}
			documents = append(documents, &document{file: f, root: whole})
		}
	}
	return documents
}
