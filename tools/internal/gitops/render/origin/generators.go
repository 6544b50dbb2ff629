package origin

import (
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// generator is an entry of configMapGenerator or secretGenerator.
type generator struct {
	*Document
	layer LayerFile
}

// generators returns the entries that make up an object, outermost first; the last one
// creates it.
func (t *Tree) generators(s Subject) []generator {
	list := map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}[s.GetKind()]
	if list == "" {
		return nil
	}
	var found []generator
	for _, l := range t.LayerFiles() {
		for _, d := range l.documents {
			for _, entry := range mappingEntries(d.Root, list) {
				_, name := Child(entry, "name")
				if name != nil && isGenerated(s.Name, l.Prefix+name.Value+l.Suffix) {
					found = append(found, generator{&Document{File: d.File, Root: entry, Offset: d.Offset}, l})
				}
			}
		}
	}
	return found
}

var hashSuffix = regexp.MustCompile(`^(-[a-z0-9]{10})?$`)

func isGenerated(name, declared string) bool {
	rest, found := strings.CutPrefix(name, declared)
	return found && hashSuffix.MatchString(rest)
}

// InGenerators finds the source of a key's value: a literal, a line of an env file, or a
// file.
func (t *Tree) InGenerators(s Subject, field []any) (Location, bool) {
	if len(field) < 2 || field[0] != "data" {
		return Location{}, false
	}
	key, _ := field[1].(string)
	assignment := regexp.MustCompile(`^\s*(export )?` + regexp.QuoteMeta(key) + `\s*=`)
	for _, g := range t.generators(s) {
		for _, entry := range mappingEntries(g.Root, "literals") {
			if name, _, _ := strings.Cut(entry.Value, "="); name == key {
				return g.At(entry), true
			}
		}
		for _, entry := range mappingEntries(g.Root, "envs") {
			if f := t.Read(path.Join(g.layer.Dir, entry.Value)); f != nil {
				if line := f.find(assignment); line > 0 {
					return Location{File: f.Name, Line: line}, true
				}
			}
		}
		for _, entry := range mappingEntries(g.Root, "files") {
			name, _, _ := strings.Cut(entry.Value, "=")
			if path.Base(name) != key {
				continue
			}
			if f := t.Read(path.Join(g.layer.Dir, SourceFile(entry.Value))); f != nil {
				return f.within(field[2:]), true
			}
		}
	}
	return Location{}, false
}

// generatorFiles returns the files that a generator reads, each as one document.
func (t *Tree) generatorFiles(g generator) []*Document {
	var documents []*Document
	for _, entry := range append(mappingEntries(g.Root, "files"), mappingEntries(g.Root, "envs")...) {
		if f := t.Read(path.Join(g.layer.Dir, SourceFile(entry.Value))); f != nil {
			whole := &yaml.Node{Kind: yaml.ScalarNode, Line: 1, Value: string(f.Data)}
			documents = append(documents, &Document{File: f, Root: whole})
		}
	}
	return documents
}
