package crossplane_test

import (
	"path/filepath"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xcrd"
	xpv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

// An API server accepts the definitions that Crossplane derives: their names, their
// schemas, and rules that compile and are cheap enough.
func TestDefinitions(t *testing.T) {
	for plural, api := range allAPIs(t) {
		t.Run(plural, func(t *testing.T) {
			xrd := api.xrd.DeepCopy()
			xrd.SetUID("00000000-0000-0000-0000-000000000000") // the API server assigns one
			external, err := xcrd.ForCompositeResource(xrd)
			if err != nil {
				t.Fatal(err)
			}
			apiextensionsv1.SetObjectDefaults_CustomResourceDefinition(external)
			var crd apiextensions.CustomResourceDefinition
			if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(external, &crd, nil); err != nil {
				t.Fatal(err)
			}
			// The API server sets this field.
			crd.Status.StoredVersions = []string{function.Version}
			for _, refused := range validation.ValidateCustomResourceDefinition(t.Context(), &crd) {
				t.Error(refused)
			}
			checkComposition(t, api)
		})
	}
}

// checkComposition requires a Composition of the definition's kind whose only step is our
// function.
func checkComposition(t *testing.T, api *api) {
	t.Helper()
	var composition xpv1.Composition
	if err := readYAML(filepath.Join("apis", api.plural, "composition.yaml"), &composition); err != nil {
		t.Fatal(err)
	}
	of := composition.Spec.CompositeTypeRef
	if want := function.Group + "/" + function.Version; of.Kind != api.xrd.Spec.Names.Kind || of.APIVersion != want {
		t.Errorf("the Composition is of %s %s, want %s %s", of.APIVersion, of.Kind, want, api.xrd.Spec.Names.Kind)
	}
	steps := composition.Spec.Pipeline
	if len(steps) != 1 || steps[0].FunctionRef.Name != "function-sales-events" {
		t.Errorf("the pipeline is %+v, want function-sales-events alone", steps)
	}
}
