package crossplane_test

import (
	"testing"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An environment's resources on AWS use an identity in its own namespace, and the hub
// rejects any other kind of identity.
func TestIdentities(t *testing.T) {
	for _, environment := range environments {
		own := map[string]bool{}
		for _, object := range platformOf(t, environment) {
			switch object.GetKind() {
			case "ProviderConfig":
				own[object.GetNamespace()+"/"+object.GetName()] = true
			case "ClusterProviderConfig":
				t.Errorf("%s has the ClusterProviderConfig %s", environment, object.GetName())
			}
		}
		for _, object := range composedIn(t, environment) {
			if object.GetKind() == "Usage" {
				continue
			}
			kind, _, _ := unstructured.NestedString(object.Object, "spec", "providerConfigRef", "kind")
			name, _, _ := unstructured.NestedString(object.Object, "spec", "providerConfigRef", "name")
			if kind != "ProviderConfig" || !own[object.GetNamespace()+"/"+name] {
				t.Errorf("%s: %s %s uses the %s %s", environment, object.GetKind(), object.GetName(), kind, name)
			}
		}
	}

	var policy struct {
		Spec struct{ Validations []struct{ Expression string } }
	}
	readPackagesFile(t, "identities.yaml", &policy)
	for _, c := range []struct {
		metadata map[string]any
		admitted bool
	}{
		{map[string]any{"name": "production"}, false},
		{map[string]any{"name": "production", "deletionTimestamp": "2026-01-31T08:00:00Z"}, true},
	} {
		for _, validation := range policy.Spec.Validations {
			if got := evaluate(t, validation.Expression, map[string]any{"object": map[string]any{"metadata": c.metadata}}); got != c.admitted {
				t.Errorf("a ClusterProviderConfig with %v is admitted: %t", c.metadata, got)
			}
		}
	}
}

// evaluate evaluates an expression of an admission policy as the API server does.
func evaluate(t *testing.T, expression string, variables map[string]any) bool {
	t.Helper()
	environment, err := cel.NewEnv(cel.Variable("object", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := environment.Compile(expression)
	if issues.Err() != nil {
		t.Fatalf("%s: %v", expression, issues.Err())
	}
	program, err := environment.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := program.Eval(variables)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value.Value() == true
}

// The namespace of an environment cannot be deleted while the environment exists.
func TestNamespacesInUse(t *testing.T) {
	for _, environment := range environments {
		found := false
		for _, object := range platformOf(t, environment) {
			if object.GetKind() != "ClusterUsage" {
				continue
			}
			found = true
			kind, _, _ := unstructured.NestedString(object.Object, "spec", "of", "kind")
			name, _, _ := unstructured.NestedString(object.Object, "spec", "of", "resourceRef", "name")
			if kind != "Namespace" || name != environment {
				t.Errorf("%s keeps the %s %s", environment, kind, name)
			}
			for _, refused := range admitComposed(t, object) {
				t.Errorf("%s: %v", environment, refused)
			}
		}
		if !found {
			t.Errorf("nothing keeps the namespace %s", environment)
		}
	}
}
