// Package definition is the stored form of schemas: one definition for each version of a
// kind, whether it is built into Kubernetes, defined by a CustomResourceDefinition, or
// derived by Crossplane from a CompositeResourceDefinition. All use the schema language
// of CustomResourceDefinitions, so that one validator is enough.
//
// The package knows how definitions are derived and packed. It must not know how an
// object is validated.
package definition

import (
	"encoding/json"
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ObjectMeta is the key under which an archive has the schema of metadata. All kinds
// share it, and no kind's own schema contains it. It describes an object that has only
// metadata.
var ObjectMeta = schema.GroupVersionKind{Group: "meta", Version: "v1", Kind: "ObjectMeta"}

// The formats of strings in Kubernetes' own types. CustomResourceDefinitions cannot use
// them: they have similar formats, which an API server checks less strictly.
const (
	FormatQuantity = "kubernetes/quantity"
	FormatBytes    = "kubernetes/bytes"
	FormatTime     = "kubernetes/time"
)

// Definition describes what an API server accepts for one version of a kind.
type Definition struct {
	schema.GroupVersionKind `json:"-"`

	// Namespaced reports whether the kind is namespaced.
	Namespaced bool `json:"namespaced,omitempty"`
	// Status reports whether status is a subresource, so that applying an object does not
	// change its status.
	Status bool `json:"status,omitempty"`
	// Schema is a JSONSchemaProps of apiextensions.k8s.io/v1. It is parsed only when
	// needed: most kinds of a catalog are never used.
	Schema json.RawMessage `json:"schema"`
}

// Strip removes from a schema what does not affect validity, such as descriptions.
func Strip(schema *apiextensions.JSONSchemaProps) {
	if schema == nil {
		return
	}
	schema.Description, schema.Title = "", ""
	schema.Example, schema.ExternalDocs = nil, nil
	if schema.Items != nil {
		Strip(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil {
		Strip(schema.AdditionalProperties.Schema)
	}
	Strip(schema.Not)
	for _, list := range [][]apiextensions.JSONSchemaProps{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for i := range list {
			Strip(&list[i])
		}
	}
	for name, property := range schema.Properties {
		Strip(&property)
		schema.Properties[name] = property
	}
}

// FromCRD returns a definition for each version that the resource serves.
func FromCRD(crd *apiextensions.CustomResourceDefinition) ([]Definition, error) {
	var found []Definition
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			return nil, fmt.Errorf("CustomResourceDefinition %s: version %s has no openAPIV3Schema", crd.Name, version.Name)
		}
		schema := version.Schema.OpenAPIV3Schema.DeepCopy()
		Strip(schema)
		if crd.Spec.PreserveUnknownFields {
			schema.XPreserveUnknownFields = &crd.Spec.PreserveUnknownFields
		}
		data, err := json.Marshal(schema)
		if err != nil {
			return nil, fmt.Errorf("CustomResourceDefinition %s: version %s: %w", crd.Name, version.Name, err)
		}
		definition := Definition{
			Namespaced: crd.Spec.Scope == apiextensions.NamespaceScoped,
			Status:     version.Subresources != nil && version.Subresources.Status != nil,
			Schema:     data,
		}
		definition.GroupVersionKind = schemaKind(crd, version.Name)
		found = append(found, definition)
	}
	return found, nil
}

func schemaKind(crd *apiextensions.CustomResourceDefinition, version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: crd.Spec.Group, Version: version, Kind: crd.Spec.Names.Kind}
}
