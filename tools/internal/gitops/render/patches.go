package render

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/types"
)

// patch is one patch of a build.
type patch struct {
	documents []*document
	target    *types.Selector
	file      string // as the kustomization names it; empty for an inline patch
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
		p := patch{target: target, file: file, flux: -1}
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
func (k *Applier) documentsOf(p patch) []*document {
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

func (k *Applier) locateInPatches(o *Object, field []any) (Location, bool) {
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
