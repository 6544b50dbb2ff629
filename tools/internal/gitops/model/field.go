package model

import (
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Field is a field of an object, where a finding can point.
type Field struct {
	Object *render.Object
	Path   []any
}

// At returns a field of an object; without a path, the object itself.
func At(o *render.Object, path ...any) Field { return Field{o, path} }

// At returns a field within the field.
func (f Field) At(path ...any) Field { return Field{f.Object, slices.Concat(f.Path, path)} }
