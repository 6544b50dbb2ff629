package render

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Locate is the place that says a field of the object: what sets it last, else
// the manifest, else the generator that makes the object. The field's elements
// are keys and list indices; those that follow a key of a generated ConfigMap's
// data lead on into the YAML of its file. A field that is said nowhere is located
// at the nearest one around it. What Crossplane composes is said by the composite
// resource.
func (o *Object) Locate(field ...any) Location {
	if o.Composite != nil {
		return o.Composite.Locate("spec")
	}
	k := o.Owner
	if k == nil || k.build == nil {
		return o.at
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
func (k *Applier) locate(field ...any) Location {
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
	if m := k.build.manifest(o); m != nil {
		candidates = append(candidates, m.document)
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

// manifest is a document with the layer that brings it, and the name and
// namespace that its layers give it.
type manifest struct {
	*document
	layer           layer
	name, namespace string
}

func (b *build) origin() *origins {
	all, _ := b.origins.get(struct{}{}, func() (*origins, error) { return b.readOrigins(), nil })
	return all
}

func (b *build) readOrigins() *origins {
	all := &origins{manifests: map[string][]manifest{}}
	for i, l := range b.layers {
		from := origin{layer: l}
		if f := b.read(l.file); f != nil {
			from.documents = f.documents
		}
		all.layers = append(all.layers, from)
		all.patches = append(all.patches, b.patchesOf(from, i == 0)...)
		for _, entry := range l.Resources {
			f := b.read(path.Join(l.dir, entry))
			if f == nil {
				continue
			}
			for _, d := range f.documents {
				kind := d.text("kind")
				all.manifests[kind] = append(all.manifests[kind], manifest{
					document: d, layer: l, name: l.prefix + d.text("metadata", "name") + l.suffix, namespace: cmp.Or(l.namespace, d.text("metadata", "namespace")),
				})
			}
		}
	}
	return all
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
func (b *build) manifest(o *Object) *manifest {
	name, namespace, group := o.templateName(), o.GetNamespace(), o.GroupVersionKind().Group
	var best *manifest
	bestScore := 0
	for i, m := range b.origin().manifests[o.GetKind()] {
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
			best, bestScore = &b.origin().manifests[o.GetKind()][i], score
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
