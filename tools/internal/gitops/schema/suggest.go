package schema

import (
	"fmt"
	"maps"
	"slices"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// suggest returns the end of a message about an unknown field: the field that was
// probably meant.
func (r *run) suggest(path []any) string {
	if len(path) == 0 {
		return "" // the field's name is empty
	}
	name, ok := path[len(path)-1].(string)
	if !ok {
		return ""
	}
	if meant := spelling.Nearest(name, fieldsOf(r.schema.structural, path[:len(path)-1])); meant != "" {
		return fmt.Sprintf(": did you mean %s?", meant)
	}
	return ""
}

// fieldsOf returns the fields that a schema has at a path, sorted.
func fieldsOf(s *structural.Structural, path []any) []string {
	for _, step := range path {
		if s == nil {
			return nil
		}
		if _, index := step.(int); index {
			s = s.Items
			continue
		}
		if property, ok := s.Properties[step.(string)]; ok {
			s = &property
		} else if s.AdditionalProperties != nil {
			s = s.AdditionalProperties.Structural
		} else {
			return nil
		}
	}
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.Properties))
}
