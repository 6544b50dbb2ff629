package schema

import (
	"maps"
	"slices"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// Lacks reports whether a kind has no field at a path, which field of the path is the
// first one that it lacks, and which it has in its place. An index stands for any
// element. What the schema leaves open may be there: metadata, a status that it does not
// describe, mappings with any keys.
func (s *Schema) Lacks(path []any) (depth int, fields []string, lacks bool) {
	s.load()
	if s.err != nil || len(path) == 0 || path[0] == "metadata" || path[0] == "apiVersion" || path[0] == "kind" {
		return 0, nil, false
	}
	at := s.structural
	for depth, step := range path {
		next, open := stepInto(at, step)
		switch {
		case open || depth == 0 && step == "status" && next == nil:
			return 0, nil, false
		case next == nil:
			return depth, slices.Sorted(maps.Keys(at.Properties)), true
		}
		at = next
	}
	return 0, nil, false
}

// anyElement is the step that means each element of a list, or key of a mapping.
const anyElement = "*"

// stepInto is one step down a schema; open is where anything may follow.
func stepInto(at *structural.Structural, step any) (next *structural.Structural, open bool) {
	if at.XPreserveUnknownFields || at.XEmbeddedResource || at.XIntOrString {
		return nil, true
	}
	if _, index := step.(int); index || step == anyElement && at.Items != nil {
		return at.Items, false
	}
	if property, found := at.Properties[step.(string)]; found {
		return &property, false
	}
	if more := at.AdditionalProperties; more != nil {
		return more.Structural, more.Structural == nil
	}
	return nil, false
}
