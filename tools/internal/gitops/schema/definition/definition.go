// Package definition is the form in which schemas are kept: one definition for
// each version of a kind, whether Kubernetes builds the kind in, a
// CustomResourceDefinition declares it or Crossplane derives it from a
// CompositeResourceDefinition. All speak the schema language of
// CustomResourceDefinitions, so that one validator serves them all.
//
// The package knows how definitions are derived and packed. It does not
// know how an object is validated.
package definition

import (
	"encoding/json"
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ObjectMeta is where an archive keeps the schema of metadata, which every kind
// shares and no kind's own schema repeats: that of an object with metadata and
// nothing else.
var ObjectMeta = schema.GroupVersionKind{Group: "meta", Version: "v1", Kind: "ObjectMeta"}

// Formats that strings of Kubernetes' own types have. CustomResourceDefinitions
// cannot ask for them: they have others for the same purpose, which an API
// server takes less literally.
const (
	FormatQuantity = "kubernetes/quantity"
	FormatBytes    = "kubernetes/bytes"
	FormatTime     = "kubernetes/time"
)

// Definition says what an API server accepts for one version of a kind.
type Definition struct {
	schema.GroupVersionKind `json:"-"`

	// Namespaced is whether objects of the kind live in a namespace.
	Namespaced bool `json:"namespaced,omitempty"`
	// Status is whether status is a subresource, so that applying an object
	// leaves its status alone.
	Status bool `json:"status,omitempty"`
	// Schema is a JSONSchemaProps of apiextensions.k8s.io/v1. It is parsed by
	// those who need it: most kinds of a catalog are never asked for.
	Schema json.RawMessage `json:"schema"`
}

// Strip removes from a schema what says nothing of validity.
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
