package crossplane_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The ManagedResourceActivationPolicy activates exactly the kinds that the examples
// compose, and rights are granted on their API groups.
func TestActivation(t *testing.T) {
	var policy struct {
		Spec struct{ Activate []string }
	}
	readPackagesFile(t, "activation.yaml", &policy)
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
	var groups []string
	for _, name := range policy.Spec.Activate {
		if !composed[name] {
			t.Errorf("%s is activated, and no example composes it", name)
		}
		delete(composed, name)
		groups = append(groups, groupOf(name))
	}
	if granted := grantedGroups(t); !slices.Equal(granted, slices.Compact(groups)) {
		t.Errorf("Crossplane and the providers have rights on %q, activated are %q", granted, slices.Compact(groups))
	}
	for name := range composed {
		t.Errorf("%s is composed, and not activated", name)
	}
	if !slices.IsSortedFunc(policy.Spec.Activate, func(a, b string) int { return strings.Compare(groupOf(a), groupOf(b)) }) {
		t.Error("the kinds of a group are not together, groups in the order of their names")
	}
}

// grantedGroups returns the API groups on which the first object of rbac.yaml, the role,
// grants rights.
func grantedGroups(t *testing.T) []string {
	t.Helper()
	var role struct {
		Rules []struct{ APIGroups []string }
	}
	readPackagesFile(t, "rbac.yaml", &role)
	var groups []string
	for _, rule := range role.Rules {
		groups = append(groups, rule.APIGroups...)
	}
	return groups
}

// readPackagesFile decodes the first object in a file of
// infrastructure/crossplane/packages/base into a value.
func readPackagesFile(t *testing.T, file string, into any) {
	t.Helper()
	var whole map[string]any
	if err := readYAML(filepath.Join("../infrastructure/crossplane/packages/base", file), &whole); err != nil {
		t.Fatal(err)
	}
	remarshal(t, whole, into)
}

func groupOf(definition string) string {
	_, group, _ := strings.Cut(definition, ".")
	return group
}

// definitionName returns the name of a kind's CustomResourceDefinition.
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
