package origin

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

// Patch is one patch of a build.
type Patch struct {
	Documents []*Document
	File      string // its name in the kustomization; empty for an inline patch
	target    *types.Selector
	// Text and Index describe a patch in the spec of Flux's Kustomization; Kustomizations
	// that share a build have it in different files. Index is -1 for any other patch.
	Text  string
	Index int
}

// Patches returns all patches, the last to apply first.
func (t *Tree) Patches() []Patch { return t.read().patches }

// patchesOf lists the patches of a layer. The patches that the Kustomization adds to the
// outermost layer come after the layer's own.
func (t *Tree) patchesOf(l LayerFile, outermost bool) []Patch {
	var patches []Patch
	add := func(list string, i int, file, text string, target *types.Selector) {
		p := Patch{target: target, File: file, Index: -1}
		if f := t.Read(path.Join(l.Dir, file)); file != "" && f != nil {
			p.Documents = f.Documents
		} else if scalar, d := l.inline(list, i); scalar != nil {
			p.Documents = ParseDocuments(d.File, []byte(scalar.Value), TextOffset(scalar)+d.Offset)
		} else if outermost && list == "patches" {
			p.Text, p.Index = text, i-l.Length(list)
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

// inline returns the scalar with the text of an inline patch.
func (l LayerFile) inline(list string, i int) (*yaml.Node, *Document) {
	for _, d := range l.documents {
		_, item, depth := Follow(d.Root, []any{list, i}, nil)
		if depth < 2 {
			continue
		}
		if _, text := Child(item, "patch"); text != nil {
			item = text
		}
		if item.Kind == yaml.ScalarNode {
			return item, d
		}
	}
	return nil, nil
}

// documentsIn returns the documents of a patch; spec returns them for a patch in the spec
// of a Kustomization.
func (p Patch) documentsIn(spec func(Patch) []*Document) []*Document {
	if p.Index < 0 || spec == nil {
		return p.Documents
	}
	return spec(p)
}

// appliesTo reports whether a patch applies to an object: by its target, or by its own
// kind and name.
func (p Patch) appliesTo(s Subject) bool {
	if t := p.target; t != nil {
		return Matches(t.Kind, s.GetKind()) && Matches(t.Name, s.Name) &&
			Matches(t.Group, s.GroupVersionKind().Group) && Matches(t.Namespace, s.GetNamespace()) &&
			selects(t.LabelSelector, s.GetLabels()) && selects(t.AnnotationSelector, s.GetAnnotations())
	}
	documents := p.Documents
	if p.Index >= 0 {
		documents = ParseDocuments(&File{}, []byte(p.Text), 0)
	}
	return slices.ContainsFunc(documents, func(d *Document) bool {
		return d.Text("kind") == s.GetKind() && strings.Contains(s.Name, d.Text("metadata", "name"))
	})
}

// Matches matches as kustomize does: an empty pattern matches everything, and any other
// matches whole values.
func Matches(pattern, value string) bool {
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

// InPatches finds the patch that sets a field. spec returns the documents of a patch in
// the Kustomization's spec.
func (t *Tree) InPatches(s Subject, field []any, spec func(Patch) []*Document) (Location, bool) {
	for _, p := range t.read().patches {
		if !p.appliesTo(s) {
			continue
		}
		for _, d := range p.documentsIn(spec) {
			if d.Root.Kind == yaml.SequenceNode {
				if at, found := inOperations(d, s, field); found {
					return at, true
				}
				continue
			}
			// A match of only the fields around it is no better than the manifest, and a
			// field that another patch overrides does not count.
			name, value, depth := Follow(d.Root, field, s.Template)
			if depth == len(field) && says(value, ValueAt(s.Template, field)) {
				return d.At(name), true
			}
		}
	}
	return Location{}, false
}

// inOperations looks for a field in a JSON patch.
func inOperations(d *Document, s Subject, field []any) (Location, bool) {
	for _, operation := range slices.Backward(d.Root.Content) {
		_, pointer := Child(operation, "path")
		key, value := Child(operation, "value")
		if pointer == nil || value == nil {
			continue
		}
		tokens := strings.Split(strings.TrimPrefix(pointer.Value, "/"), "/")
		if len(tokens) > len(field) || !pointsTo(tokens, field) {
			continue
		}
		name, said, depth := Follow(value, field[len(tokens):], ValueAt(s.Template, field[:len(tokens)]))
		if depth < len(field)-len(tokens) || !says(said, ValueAt(s.Template, field)) {
			continue
		}
		if depth == 0 {
			name = key
		}
		return d.At(name), true
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
