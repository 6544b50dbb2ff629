package schema

import (
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// Schema is the schema of one version of a kind. It is safe for concurrent use.
type Schema struct {
	kind   schema.GroupVersionKind
	source string
	read   func() (definition.Definition, error)
	// metadata is the schema of the object's metadata; nil for the schema of metadata
	// itself.
	metadata *Schema

	// load sets the fields below, in the forms that the API server's code needs.
	loaded             sync.Once
	err                error
	namespaced, status bool
	structural         *structural.Structural
	openapi            *spec.Schema

	compiled sync.Once
	cel      *cel.Validator

	// judged caches the problems of objects, by their content without metadata.
	judged sync.Map
}

// Source returns where the schema comes from: `kubernetes 1.35.4`, or the object or file
// that defines the kind.
func (s *Schema) Source() string { return s.source }

// Kind returns the version and kind that the schema describes.
func (s *Schema) Kind() schema.GroupVersionKind { return s.kind }

// Namespaced reports whether the kind is namespaced. It is false for a schema that cannot
// be parsed, which Validate reports.
func (s *Schema) Namespaced() bool {
	s.load()
	return s.namespaced
}

// load parses the schema at its first use.
func (s *Schema) load() {
	s.loaded.Do(func() {
		if s.err = s.prepare(); s.err != nil {
			s.err = fmt.Errorf("schema of %s from %s: %w", s.kind, s.source, s.err)
		}
	})
}

func (s *Schema) prepare() error {
	read, err := s.read()
	if err != nil {
		return err
	}
	s.namespaced, s.status = read.Namespaced, read.Status
	var external apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal(read.Schema, &external); err != nil {
		return err
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&external, &internal, nil); err != nil {
		return err
	}
	if s.structural, err = structural.NewStructural(&internal); err != nil {
		return err
	}
	if err := defaulting.PruneDefaults(s.structural); err != nil {
		return err
	}
	s.openapi = &spec.Schema{}
	return validation.ConvertJSONSchemaPropsWithPostProcess(&internal, s.openapi, supportedFormats)
}

// celValidator compiles the CEL rules at their first use: many schemas have rules, but
// few objects reach them.
func (s *Schema) celValidator() *cel.Validator {
	s.compiled.Do(func() { s.cel = cel.NewValidator(s.structural, true, celconfig.PerCallLimit) })
	return s.cel
}
