package definition

import (
	"encoding/json"
	"fmt"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xcrd"
	crossplane "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	crdKind = schema.GroupKind{Group: apiextensions.GroupName, Kind: "CustomResourceDefinition"}
	xrdKind = schema.GroupKind{Group: crossplane.Group, Kind: crossplane.CompositeResourceDefinitionKind}
)

// Declares reports whether an object's kind is one that defines other kinds.
func Declares(object *unstructured.Unstructured) bool {
	switch object.GroupVersionKind().GroupKind() {
	case crdKind, xrdKind:
		return true
	}
	return false
}

// FromObject returns the definitions in an object; none if its kind defines no others.
func FromObject(object *unstructured.Unstructured) ([]Definition, error) {
	crds, err := CRDs(object)
	if err != nil {
		return nil, err
	}
	var found []Definition
	for _, crd := range crds {
		definitions, err := FromCRD(crd)
		if err != nil {
			return nil, err
		}
		found = append(found, definitions...)
	}
	return found, nil
}

// CRDs returns the CustomResourceDefinition that an object is, or those that Crossplane
// derives from a CompositeResourceDefinition.
func CRDs(object *unstructured.Unstructured) ([]*apiextensions.CustomResourceDefinition, error) {
	switch object.GroupVersionKind().GroupKind() {
	case crdKind:
		var crd apiextensions.CustomResourceDefinition
		return []*apiextensions.CustomResourceDefinition{&crd}, convert(object, &crd)
	case xrdKind:
		return derived(object)
	}
	return nil, nil
}

// derived returns the definitions for the composite resource, and for its claim if it
// offers one.
func derived(object *unstructured.Unstructured) ([]*apiextensions.CustomResourceDefinition, error) {
	var xrd crossplane.CompositeResourceDefinition
	if err := convert(object, &xrd); err != nil {
		return nil, err
	}
	if xrd.Spec.Scope == nil && object.GroupVersionKind().Version != "v1" {
		// This is the default in version 2. In version 1, which the Go type describes, it
		// is LegacyCluster.
		namespaced := crossplane.CompositeResourceScopeNamespaced
		xrd.Spec.Scope = &namespaced
	}
	composite, err := xcrd.ForCompositeResource(&xrd)
	if err != nil {
		return nil, fmt.Errorf("CompositeResourceDefinition %s: %w", xrd.Name, err)
	}
	if !xrd.OffersClaim() {
		return []*apiextensions.CustomResourceDefinition{composite}, nil
	}
	claim, err := xcrd.ForCompositeResourceClaim(&xrd)
	if err != nil {
		return nil, fmt.Errorf("CompositeResourceDefinition %s: %w", xrd.Name, err)
	}
	return []*apiextensions.CustomResourceDefinition{composite, claim}, nil
}

func convert(object *unstructured.Unstructured, into any) error {
	data, err := json.Marshal(object.Object)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("read %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
