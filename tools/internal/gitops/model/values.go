package model

import (
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Value is a value of an object, with its field and the mapping around it.
type Value struct {
	Field
	Value  any
	Around map[string]any
}

// Text returns a string value; empty for any other value.
func (v Value) Text() string {
	text, _ := v.Value.(string)
	return text
}

// Values returns the values at a path in kustomize's form: field names between slashes. A
// list on the way stands for each of its elements.
func Values(o *render.Object, path string) []Value {
	return valuesIn(Value{Field: At(o), Value: o.Object}, strings.Split(path, "/"))
}

func valuesIn(v Value, path []string) []Value {
	var all []Value
	switch value := v.Value.(type) {
	case []any:
		for i, item := range value {
			all = slices.Concat(all, valuesIn(Value{v.At(i), item, v.Around}, path))
		}
		return all
	case map[string]any:
		if len(path) == 0 {
			break
		}
		if inner, found := value[path[0]]; found {
			return valuesIn(Value{v.At(path[0]), inner, value}, path[1:])
		}
	}
	if len(path) > 0 {
		return nil
	}
	return []Value{v}
}
