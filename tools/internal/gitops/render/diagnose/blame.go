package diagnose

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// blame finds the line that a build error is about, by the file of the artifact, the
// target of a patch, or the entry of a kustomization that the error names.
func blame(t *origin.Tree, err error) origin.Location {
	text := t.Explain(err)
	return cmp.Or(malformedFile(t), blamedPatch(t, text), blamedFile(t, text), blamedEntry(t, text))
}

// fileName matches what looks like a file name in an error.
var fileName = regexp.MustCompile(`[\w@.-][\w@./-]*\.\w+`)

func blamedFile(t *origin.Tree, text string) origin.Location {
	names := fileName.FindAllString(text, -1)
	for _, name := range slices.Backward(names) {
		if f := t.Read(name); f != nil {
			return origin.Location{File: f.Name, Line: max(1, origin.YAMLErrorLine(text))}
		}
	}
	if f := t.Read(t.File); f != nil && len(t.Layers) == 0 {
		return origin.Location{File: f.Name, Line: max(1, origin.YAMLErrorLine(text))}
	}
	return origin.Location{}
}

// blamedPatch finds the patch that an error is about: kustomize names the
// object that it looked for, or the path within it.
func blamedPatch(t *origin.Tree, text string) origin.Location {
	for _, p := range t.Patches() {
		for _, d := range p.Documents {
			if p.File != "" && strings.Contains(text, "path: "+p.File) || strings.Contains(text, fmt.Sprintf("path: %q", p.File)) {
				return d.At(d.Root)
			}
			kind, name := d.Text("kind"), d.Text("metadata", "name")
			if kind != "" && strings.Contains(text, kind+".") && strings.Contains(text, "/"+name+".") {
				return d.At(d.Root)
			}
			if d.Root.Kind != yaml.SequenceNode {
				continue
			}
			for _, operation := range d.Root.Content {
				if _, pointer := origin.Child(operation, "path"); pointer != nil && mentions(text, pointer.Value) {
					return d.At(pointer)
				}
			}
		}
	}
	return origin.Location{}
}

// mentions reports whether a text names exactly this JSON pointer, not a longer one that
// begins with it.
func mentions(text, pointer string) bool {
	if len(pointer) < 2 {
		return false
	}
	expression, err := regexp.Compile(`(?:^|[\s:"'])` + regexp.QuoteMeta(pointer) + `(?:[\s:"']|$)`)
	return err == nil && expression.MatchString(text)
}

func blamedEntry(t *origin.Tree, text string) origin.Location {
	for _, l := range slices.Backward(t.Layers) {
		for _, entry := range origin.Loaded(l.Kustomization) {
			if entry != "" && strings.Contains(text, "'"+entry+"'") {
				return t.Entry(l, entry)
			}
		}
	}
	if files := t.KustomizationFiles(); len(files) > 0 {
		return origin.Location{File: files[0], Line: 1}
	}
	return origin.Location{}
}
