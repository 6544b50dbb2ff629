package render

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// blame finds the line that a build error is about: the error names a file of
// the artifact, a patch's target, or an entry of a kustomization.
func (b *build) blame(err error) Location {
	text := explain(b.source, err)
	return cmp.Or(b.malformed(), b.blamedPatch(text), b.blamedFile(text), b.blamedEntry(text))
}

// fileName is what looks like a file in an error.
var fileName = regexp.MustCompile(`[\w@.-][\w@./-]*\.\w+`)

func (b *build) blamedFile(text string) Location {
	names := fileName.FindAllString(text, -1)
	for _, name := range slices.Backward(names) {
		if f := b.read(name); f != nil {
			return Location{File: f.name, Line: max(1, yamlErrorLine(text))}
		}
	}
	if f := b.read(b.file); f != nil && len(b.layers) == 0 {
		return Location{File: f.name, Line: max(1, yamlErrorLine(text))}
	}
	return Location{}
}

// blamedPatch finds the patch that an error is about: kustomize names the
// object that it looked for, or the path within it.
func (b *build) blamedPatch(text string) Location {
	for _, p := range b.origin().patches {
		for _, d := range p.documents {
			if p.file != "" && strings.Contains(text, "path: "+p.file) || strings.Contains(text, fmt.Sprintf("path: %q", p.file)) {
				return d.at(d.root)
			}
			kind, name := d.text("kind"), d.text("metadata", "name")
			if kind != "" && strings.Contains(text, kind+".") && strings.Contains(text, "/"+name+".") {
				return d.at(d.root)
			}
			if d.root.Kind != yaml.SequenceNode {
				continue
			}
			for _, operation := range d.root.Content {
				if _, pointer := child(operation, "path"); pointer != nil && mentions(text, pointer.Value) {
					return d.at(pointer)
				}
			}
		}
	}
	return Location{}
}

// mentions tells whether a text names a JSON pointer, and not one that goes on.
func mentions(text, pointer string) bool {
	if len(pointer) < 2 {
		return false
	}
	expression, err := regexp.Compile(`(?:^|[\s:"'])` + regexp.QuoteMeta(pointer) + `(?:[\s:"']|$)`)
	return err == nil && expression.MatchString(text)
}

func (b *build) blamedEntry(text string) Location {
	for _, l := range slices.Backward(b.layers) {
		for _, entry := range loaded(l.Kustomization) {
			if entry != "" && strings.Contains(text, "'"+entry+"'") {
				return b.entry(l, entry)
			}
		}
	}
	if files := b.files(); len(files) > 0 {
		return Location{File: files[0], Line: 1}
	}
	return Location{}
}
