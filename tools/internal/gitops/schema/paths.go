package schema

import (
	"maps"
	"slices"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// Lacks reports whether a kind has no field at a path. depth is the index of the first
// missing field in the path, and fields are the fields that exist in its place. An index
// stands for any element. A part that the schema does not describe may have the field:
// metadata, an undescribed status, mappings with arbitrary keys.
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

// anyElement is a step that stands for every element of a list, or key of a mapping.
const anyElement = "*"

// stepInto takes one step down a schema; open reports whether the schema allows anything
// there.
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
