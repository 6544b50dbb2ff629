package render

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// Idle is an entry of a kustomization that applies to nothing: kustomize passes
// over it without a word.
type Idle struct {
	At Location
	// Kind is that of the target, or image; Name is what the entry names, and
	// Names are what it could.
	Kind, Name string
	Names      []string
}

// Idle lists the patches and images that apply to nothing. Of patches it knows
// those that name their target: one for all of a kind may well find none.
func (k *Applier) Idle() []Idle {
	if k.build == nil || k.build.err != nil || len(k.build.remote) > 0 {
		return nil
	}
	var idle []Idle
	made := k.build.material()
	if made.unknown {
		return nil
	}
	layers := k.build.origin().layers
	for i, l := range layers {
		// Those within a layer follow it.
		if l.Kind == types.ComponentKind || slices.ContainsFunc(layers[i:], k.build.makesObjects) {
			continue // for several builds, or of what only kustomize knows
		}
		patches, images := l.length("patches"), l.length("images")
		for j, p := range l.Patches {
			at := func() Location { return l.at("patches", j, "target", made.wrong(p.Target)) }
			if i == 0 && j >= patches {
				at = func() Location { return k.locate("spec", "patches", j-patches, "target", made.wrong(p.Target)) }
			}
			if t := p.Target; t != nil && t.Name != "" && !made.has(t) {
				idle = append(idle, Idle{at(), t.Kind, t.Name, made.names[t.Kind]})
			}
		}
		for j, image := range l.Images {
			at := func() Location { return l.at("images", j, "name") }
			if i == 0 && j >= images {
				at = func() Location { return k.locate("spec", "images", j-images, "name") }
			}
			if !made.runs(image.Name) {
				idle = append(idle, Idle{at(), "image", image.Name, made.images})
			}
		}
	}
	return idle
}

// at is the place of a field of a layer's file.
func (l origin) at(field ...any) Location {
	for _, d := range l.documents {
		if node, _, depth := follow(d.root, field, nil); depth > 0 {
			return d.at(node)
		}
	}
	return Location{File: l.name, Line: 1}
}

// makesObjects tells whether a layer may have objects, or names of objects, that
// no file says.
func (b *build) makesObjects(l origin) bool {
	return len(l.Generators)+len(l.HelmCharts)+len(l.Components) > 0 ||
		slices.ContainsFunc(l.Transformers, func(entry string) bool { return !b.onlyMarks(path.Join(l.dir, entry)) })
}

// onlyMarks tells whether a file of transformers changes no more than labels and
// annotations.
func (b *build) onlyMarks(name string) bool {
	f := b.read(name)
	return f != nil && len(f.documents) > 0 && !slices.ContainsFunc(f.documents, func(d *document) bool {
		kind := d.text("kind")
		return d.text("apiVersion") != "builtin" || kind != "LabelTransformer" && kind != "AnnotationsTransformer"
	})
}

// material is what the files of a build say, whatever patches make of it.
type material struct {
	names  map[string][]string // of objects, by kind
	images []string            // without tag
	texts  map[string]bool
	// unknown is that a file is empty: somebody else fills it, as `flux
	// bootstrap` does.
	unknown bool
}

func (b *build) material() material {
	c := material{names: b.names(func(layer) bool { return true }), texts: map[string]bool{}}
	for _, manifests := range b.origin().manifests {
		for _, m := range manifests {
			c.read(m.root)
		}
	}
	for _, l := range b.origin().layers {
		for _, image := range l.Images {
			c.texts[image.NewName] = true
		}
		for _, entry := range slices.Concat(l.Resources, patchFiles(l.Kustomization)) {
			if f := b.read(path.Join(l.dir, entry)); f != nil {
				c.unknown = c.unknown || len(f.documents) == 0
				for _, d := range f.documents {
					c.read(d.root)
				}
			}
		}
		for _, d := range l.documents {
			if _, patches := child(d.root, "patches"); patches != nil {
				c.read(patches)
			}
		}
	}
	return c
}

// names are those of the objects that some layers bring, by kind.
func (b *build) names(some func(layer) bool) map[string][]string {
	names := map[string][]string{}
	for kind, manifests := range b.origin().manifests {
		for _, m := range manifests {
			if some(m.layer) {
				// A layer sees the name as far as the layers within have changed it.
				names[kind] = append(names[kind], m.text("metadata", "name"), m.name)
			}
		}
	}
	for _, l := range b.layers {
		if !some(l) {
			continue
		}
		for _, generator := range l.ConfigMapGenerator {
			if !adds(generator.GeneratorArgs) {
				names["ConfigMap"] = append(names["ConfigMap"], generator.Name)
			}
		}
		for _, generator := range l.SecretGenerator {
			if !adds(generator.GeneratorArgs) {
				names["Secret"] = append(names["Secret"], generator.Name)
			}
		}
	}
	return names
}

// adds tells whether a generator adds to an object that another one brings.
func adds(g types.GeneratorArgs) bool { return g.Behavior == "merge" || g.Behavior == "replace" }

func patchFiles(k types.Kustomization) []string {
	files, operations := olderPatches(k)
	for _, p := range slices.Concat(k.Patches, operations) {
		files = append(files, p.Path)
	}
	return files
}

func (c *material) read(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		c.texts[node.Value] = true
	}
	for i, value := range node.Content {
		if i%2 == 1 && node.Kind == yaml.MappingNode && node.Content[i-1].Value == "image" && value.Value != "" {
			name, _, _ := strings.Cut(value.Value, "@")
			if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
				name = name[:colon]
			}
			if !slices.Contains(c.images, name) {
				c.images = append(c.images, name)
			}
		}
		c.read(value)
	}
}

func (c material) has(target *types.Selector) bool {
	for kind, names := range c.names {
		if matches(target.Kind, kind) && slices.ContainsFunc(names, func(name string) bool { return matches(target.Name, name) }) {
			return true
		}
	}
	return false
}

// wrong is the field of a target to correct: its kind if another one has the
// name.
func (c material) wrong(target *types.Selector) string {
	if c.has(&types.Selector{ResId: resid.ResId{Name: target.Name}}) {
		return "kind"
	}
	return "name"
}

// runs tells whether any text of the build is the image, or has it in it: fields
// other than a container's can be made to count.
func (c material) runs(image string) bool {
	expression := regexp.MustCompile(`(?:^|[^\w./-])` + regexp.QuoteMeta(image) + `(?:[^\w./-]|$)`)
	for text := range c.texts {
		if strings.Contains(text, image) && expression.MatchString(text) {
			return true
		}
	}
	return false
}
