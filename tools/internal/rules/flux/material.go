package flux

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// material is the content of a build's files, before any patch.
type material struct {
	names map[string][]string // names of objects, by kind
	// manifests are the objects as written.
	manifests []origin.Manifest
	images    []string // without tags
	texts     map[string]bool
	// unknown reports whether a file is empty: something else fills it, such as `flux
	// bootstrap`.
	unknown bool
}

func materialOf(t *origin.Tree) material {
	m := material{names: t.Names(func(origin.Layer) bool { return true }), texts: map[string]bool{}}
	for _, manifests := range t.Manifests() {
		m.manifests = append(m.manifests, manifests...)
		for _, manifest := range manifests {
			m.read(manifest.Root)
		}
	}
	for _, l := range t.LayerFiles() {
		for _, field := range []string{"labels", "commonLabels", "configMapGenerator", "secretGenerator"} {
			for _, entries := range l.Entries(field) {
				m.read(entries)
			}
		}
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

// wrong returns the field of a target that is wrong: its kind, if another kind has the
// name.
func (m material) wrong(target *types.Selector) string {
	if m.has(&types.Selector{ResId: resid.ResId{Name: target.Name}}) {
		return "kind"
	}
	return "name"
}

// runs reports whether any text in the build is the image, or contains it: kustomize can
// be configured to change other fields than a container's.
func (m material) runs(image string) bool {
	expression := regexp.MustCompile(`(?:^|[^\w./-])` + regexp.QuoteMeta(image) + `(?:[^\w./-]|$)`)
	for text := range m.texts {
		if strings.Contains(text, image) && expression.MatchString(text) {
			return true
		}
	}
	return false
}

// lacks says what all objects with a target's name lack of the target's other conditions,
// and which field has the condition: a namespace, a version, or a label that no file has.
// It is empty if an object meets all, or may.
func (m material) lacks(target *types.Selector, inner []string) (field, lacks string) {
	named, namespaced, versioned := false, false, false
	for _, manifest := range m.manifests {
		name := manifest.Text("metadata", "name")
		if !origin.Matches(target.Kind, manifest.Text("kind")) || !origin.Matches(target.Name, name) {
			continue
		}
		named = true
		own := cmp.Or(manifest.Text("metadata", "namespace"), metav1.NamespaceDefault)
		in := func(namespace string) bool {
			return strings.Contains(namespace, "$") || origin.Matches(target.Namespace, namespace)
		}
		namespaced = namespaced || in(own) || slices.ContainsFunc(inner, in)
		group, version := versionOf(manifest.Text("apiVersion"))
		versioned = versioned || origin.Matches(target.Group, group) && origin.Matches(target.Version, version)
	}
	switch {
	case named && !namespaced:
		return "namespace", "namespace " + target.Namespace
	case named && !versioned:
		if field = "version"; target.Version == "" {
			field = "group"
		}
		return field, "apiVersion " + strings.Trim(target.Group+"/"+target.Version, "/")
	}
	parsed, err := labels.Parse(target.LabelSelector)
	if err != nil || target.LabelSelector == "" {
		return "", ""
	}
	requirements, _ := parsed.Requirements()
	for _, requirement := range requirements {
		values := requirement.Values().UnsortedList()
		said := m.texts[requirement.Key()] && (len(values) == 0 || slices.ContainsFunc(values, func(value string) bool { return m.texts[value] }))
		if wants(requirement.Operator()) && !said {
			return "labelSelector", "label " + requirement.String()
		}
	}
	return "", ""
}

// wants reports whether a requirement needs the label to exist.
func wants(operator selection.Operator) bool {
	return slices.Contains([]selection.Operator{selection.Equals, selection.DoubleEquals, selection.In, selection.Exists}, operator)
}

func versionOf(apiVersion string) (group, version string) {
	group, version, found := strings.Cut(apiVersion, "/")
	if !found {
		return "", group
	}
	return group, version
}
