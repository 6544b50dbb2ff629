package render

import (
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

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
func (k *Applier) locateInGenerators(o *Object, field []any) (Location, bool) {
	if len(field) < 2 || field[0] != "data" {
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
				return f.within(field[2:]), true
			}
		}
	}
	return Location{}, false
}

// within is the place of a field of what a file of a generator holds.
func (f *file) within(field []any) Location {
	for _, d := range f.documents {
		if node, _, depth := follow(d.root, field, nil); depth > 0 {
			return d.at(node)
		}
	}
	return Location{File: f.name, Line: 1}
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
