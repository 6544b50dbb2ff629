package flux

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// material is what the files of a build say, whatever patches make of it.
type material struct {
	names  map[string][]string // of objects, by kind
	images []string            // without tag
	texts  map[string]bool
	// unknown is whether a file is empty: somebody else fills it, as `flux
	// bootstrap` does.
	unknown bool
}

func materialOf(t *origin.Tree) material {
	m := material{names: t.Names(func(origin.Layer) bool { return true }), texts: map[string]bool{}}
	for _, manifests := range t.Manifests() {
		for _, manifest := range manifests {
			m.read(manifest.Root)
		}
	}
	for _, l := range t.LayerFiles() {
		for _, image := range l.Images {
			m.texts[image.NewName] = true
		}
		for _, entry := range slices.Concat(l.Resources, origin.PatchFiles(l.Kustomization)) {
			if f := t.Read(path.Join(l.Dir, entry)); f != nil {
				m.unknown = m.unknown || len(f.Documents) == 0
				for _, d := range f.Documents {
					m.read(d.Root)
				}
			}
		}
		for _, patches := range l.Entries("patches") {
			m.read(patches)
		}
	}
	return m
}

func (m *material) read(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		m.texts[node.Value] = true
	}
	for i, value := range node.Content {
		if i%2 == 1 && node.Kind == yaml.MappingNode && node.Content[i-1].Value == "image" && value.Value != "" {
			name, _, _ := strings.Cut(value.Value, "@")
			if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
				name = name[:colon]
			}
			if !slices.Contains(m.images, name) {
				m.images = append(m.images, name)
			}
		}
		m.read(value)
	}
}

func (m material) has(target *types.Selector) bool {
	for kind, names := range m.names {
		named := func(name string) bool { return origin.Matches(target.Name, name) }
		if origin.Matches(target.Kind, kind) && slices.ContainsFunc(names, named) {
			return true
		}
	}
	return false
}

// wrong is the field of a target to correct: its kind if another one has the
// name.
func (m material) wrong(target *types.Selector) string {
	if m.has(&types.Selector{ResId: resid.ResId{Name: target.Name}}) {
		return "kind"
	}
	return "name"
}

// runs reports whether any text of the build is the image, or has it in it: fields
// other than a container's can be made to count.
func (m material) runs(image string) bool {
	expression := regexp.MustCompile(`(?:^|[^\w./-])` + regexp.QuoteMeta(image) + `(?:[^\w./-]|$)`)
	for text := range m.texts {
		if strings.Contains(text, image) && expression.MatchString(text) {
			return true
		}
	}
	return false
}
