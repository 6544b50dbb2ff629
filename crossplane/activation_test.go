package crossplane_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The ManagedResourceActivationPolicy activates the kinds that the examples
// compose, and no other.
func TestActivation(t *testing.T) {
	var policy struct {
		Spec struct{ Activate []string }
	}
	var whole map[string]any
	if err := readYAML("../infrastructure/crossplane/packages/activation.yaml", &whole); err != nil {
		t.Fatal(err)
	}
	remarshal(t, whole, &policy)
	composed := map[string]bool{}
	for plural := range allAPIs(t) {
		for _, file := range examplesOf(t, plural) {
			for _, object := range compose(t, readExample(t, plural, file)).objects() {
				if group := object.GroupVersionKind().Group; strings.HasSuffix(group, ".aws.m.upbound.io") {
					composed[definitionName(t, group, object.GetKind())] = true
				}
			}
		}
	}
	for _, name := range policy.Spec.Activate {
		if !composed[name] {
			t.Errorf("%s is activated, and no example composes it", name)
		}
		delete(composed, name)
	}
	for name := range composed {
		t.Errorf("%s is composed, and not activated", name)
	}
	if !slices.IsSortedFunc(policy.Spec.Activate, func(a, b string) int { return strings.Compare(groupOf(a), groupOf(b)) }) {
		t.Error("the kinds of a group are not together, groups in the order of their names")
	}
}

func groupOf(definition string) string {
	_, group, _ := strings.Cut(definition, ".")
	return group
}

// definitionName is the name of a kind's CustomResourceDefinition.
func definitionName(t *testing.T, group, kind string) string {
	t.Helper()
	root, err := moduleFolder("provider-aws", "github.com/upbound/provider-aws/v2")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "package", "crds", fmt.Sprintf("%s_%s*.yaml", group, strings.ToLower(kind)[:3])))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := readYAML(file, crd); err != nil {
			t.Fatal(err)
		}
		if crd.Spec.Names.Kind == kind {
			return crd.Name
		}
	}
	t.Fatalf("no definition of %s in %s", kind, group)
	return ""
}
