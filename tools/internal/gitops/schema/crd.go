package schema

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// lowered reverses a change that the API server makes before it validates a definition:
// it moves what is the same in all versions out of them.
var lowered = strings.NewReplacer("spec.validation.", "spec.versions[0].schema.", "spec.subresources.", "spec.versions[0].subresources.")

// checkDefinition validates a CustomResourceDefinition with the API server's code. Its
// content is itself a schema, which the schema language cannot describe.
func (r *run) checkDefinition() {
	crds, err := definition.CRDs(&unstructured.Unstructured{Object: r.object})
	if err != nil {
		r.report([]any{"spec"}, Definition, "%s", err)
		return
	}
	for _, crd := range crds {
		r.checkCRD(crd)
	}
	if len(crds) == 1 && r.schema.kind.Group == apiextensionsv1.GroupName {
		r.checkKeywords()
	}
}

func (r *run) checkCRD(external *apiextensionsv1.CustomResourceDefinition) {
	apiextensionsv1.SetObjectDefaults_CustomResourceDefinition(external)
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(external, &crd, nil); err != nil {
		r.report([]any{"spec"}, Definition, "%s", err)
		return
	}
	for _, err := range validation.ValidateCustomResourceDefinition(context.Background(), &crd) {
		err.Field = lowered.Replace(err.Field)
		if !strings.HasPrefix(err.Field, "metadata.") || err.Field == "metadata.name" {
			r.checkFields(field.ErrorList{err}, Definition)
		}
	}
}

// checkKeywords finds unknown keywords in the schemas of a CustomResourceDefinition, as
// strict decoding does.
func (r *run) checkKeywords() {
	data, err := utiljson.Marshal(r.object)
	if err != nil {
		return // it comes from decoded JSON
	}
	unknown, err := json.UnmarshalStrict(data, new(apiextensionsv1.CustomResourceDefinition))
	if err != nil {
		return // definition.CRDs reports it
	}
	for _, err := range unknown {
		var at json.FieldError
		if errors.As(err, &at) {
			r.report(resolve(r.given, at.FieldPath()), UnknownField, "unknown field")
		}
	}
}
