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

// lowered undoes what the API server does to a definition before it looks at it:
// what is the same in all versions is lifted out of them.
var lowered = strings.NewReplacer("spec.validation.", "spec.versions[0].schema.", "spec.subresources.", "spec.versions[0].subresources.")

// checkDefinition has the API server's code judge a definition, whose content is
// itself a schema: the schema language cannot describe that.
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

// checkKeywords finds what the schemas inside a CustomResourceDefinition say
// that is no keyword, as strict decoding does.
func (r *run) checkKeywords() {
	data, err := utiljson.Marshal(r.object)
	if err != nil {
		return // it has been decoded from JSON
	}
	unknown, err := json.UnmarshalStrict(data, new(apiextensionsv1.CustomResourceDefinition))
	if err != nil {
		return // said by definition.CRDs
	}
	for _, err := range unknown {
		var at json.FieldError
		if errors.As(err, &at) {
			r.report(resolve(r.given, at.FieldPath()), UnknownField, "unknown field")
		}
	}
}
