package origin

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Subject is a built object whose fields are to be located.
type Subject struct {
	*unstructured.Unstructured
	// Template is the object before variables were substituted, and Name its name
	// there.
	Template map[string]any
	Name     string
}

// Manifest returns the document from which an object was built: it has the object's kind,
// and a name that the layers, or a further prefix and suffix, turn into the object's. It
// returns nil if there is none.
func (t *Tree) Manifest(s Subject) *Manifest {
	group := s.GroupVersionKind().Group
	var best *Manifest
	bestScore := 0
	manifests := t.Manifests()[s.GetKind()]
	for i, m := range manifests {
		declared := m.Text("metadata", "name")
		if declared == "" || groupOf(m.Text("apiVersion")) != group {
			continue
		}
		score := 0
		switch {
		case m.name == s.Name:
			score = 6
		case declared == s.Name:
			score = 4 // prefixes do not change the names of some kinds
		case strings.Contains(s.Name, declared):
			score = 2
		default:
			continue
		}
		if m.namespace == s.GetNamespace() {
			score++
		}
		if score > bestScore {
			best, bestScore = &manifests[i], score
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

// Whole returns the place of an object, and in its manifest of a field or the closest one
// around it; for a generated object, the generator.
func (t *Tree) Whole(s Subject, field []any) (Location, bool) {
	if m := t.Manifest(s); m != nil {
		node, _, _ := Follow(m.Root, field, s.Template)
		return m.At(node), true
	}
	if generators := t.generators(s); len(generators) > 0 {
		began := generators[len(generators)-1]
		return began.At(began.Root), true
	}
	return Location{}, false
}

// Find returns the first line in an object's sources that a pattern matches. spec returns
// the patches of the Kustomization itself, see Patches.
func (t *Tree) Find(s Subject, pattern *regexp.Regexp, spec func(Patch) []*Document) (Location, bool) {
	var candidates []*Document
	for _, p := range t.read().patches {
		if p.appliesTo(s) {
			candidates = append(candidates, p.documentsIn(spec)...)
		}
	}
	if m := t.Manifest(s); m != nil {
		candidates = append(candidates, m.Document)
	}
	for _, g := range t.generators(s) {
		candidates = append(append(candidates, g.Document), t.generatorFiles(g)...)
	}
	for _, l := range t.LayerFiles() {
		candidates = append(candidates, l.documents...)
	}
	for _, d := range candidates {
		if line := d.Find(pattern); line > 0 {
			return Location{File: d.File.Name, Line: line}, true
		}
	}
	return Location{}, false
}

// mappingEntries returns the items of a list in a mapping, or nil.
func mappingEntries(node *yaml.Node, list string) []*yaml.Node {
	if _, entries := Child(node, list); entries != nil {
		return entries.Content
	}
	return nil
}
