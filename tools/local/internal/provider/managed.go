package provider

import (
	"context"
	"slices"

	unstructuredclient "github.com/crossplane/crossplane-runtime/v2/pkg/resource/unstructured"
	"github.com/crossplane/crossplane-runtime/v2/pkg/resource/unstructured/composed"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// managedResource is a namespaced managed resource of any kind, in the form
// that crossplane-runtime's reconciler wants.
type managedResource struct{ composed.Unstructured }

// DeepCopyObject is runtime.Object's.
func (m *managedResource) DeepCopyObject() runtime.Object {
	return &managedResource{Unstructured: *m.DeepCopy()}
}

// GetManagementPolicies are all actions where none are given, as the
// definitions have it: an empty list pauses.
func (m *managedResource) GetManagementPolicies() xpv2.ManagementPolicies {
	given, found, _ := unstructured.NestedStringSlice(m.Object, "spec", "managementPolicies")
	if !found {
		return xpv2.ManagementPolicies{xpv2.ManagementActionAll}
	}
	policies := make(xpv2.ManagementPolicies, len(given))
	for i, action := range given {
		policies[i] = xpv2.ManagementAction(action)
	}
	return policies
}

// SetManagementPolicies is resource.Manageable's; nothing here calls it.
func (m *managedResource) SetManagementPolicies(policies xpv2.ManagementPolicies) {
	given := make([]string, len(policies))
	for i, action := range policies {
		given[i] = string(action)
	}
	_ = unstructured.SetNestedStringSlice(m.Object, given, "spec", "managementPolicies")
}

// GetWriteConnectionSecretToReference is nil: no kind here has connection
// details.
func (m *managedResource) GetWriteConnectionSecretToReference() *xpv2.LocalSecretReference {
	return nil
}

// SetWriteConnectionSecretToReference is resource.LocalConnectionSecretWriterTo's.
func (m *managedResource) SetWriteConnectionSecretToReference(*xpv2.LocalSecretReference) {}

// SetConditions marks what is simulated: no condition of such a resource may
// read as if AWS had it.
func (m *managedResource) SetConditions(conditions ...xpv2.Condition) {
	conditions = slices.Clone(conditions)
	for i := range conditions {
		if !isRealised(m.GroupVersionKind().GroupKind()) && conditions[i].Status == corev1.ConditionTrue {
			conditions[i].Reason, conditions[i].Message = ReasonSimulated, simulatedMessage
		}
	}
	m.Unstructured.SetConditions(conditions...)
}

// ReasonSimulated is the reason of each True condition of a managed resource
// that exists in no AWS, not even the local one.
const ReasonSimulated xpv2.ConditionReason = "Simulated"

const simulatedMessage = "nothing exists behind this object: the local provider recorded it and made up what it observes"

// forProvider is the wished state, empty if there is none.
func (m *managedResource) forProvider() map[string]any {
	wished, _, _ := unstructured.NestedMap(m.Object, "spec", "forProvider")
	return wished
}

// text is a field of the wished state that is a string, or empty.
func (m *managedResource) text(field string) string {
	value, _, _ := unstructured.NestedString(m.Object, "spec", "forProvider", field)
	return value
}

// observe writes what was observed.
func (m *managedResource) observe(atProvider map[string]any) error {
	return unstructured.SetNestedMap(m.Object, atProvider, "status", "atProvider")
}

// access is all that crossplane-runtime's reconciler takes of a manager: how to
// read and write the objects of one kind, and how to make one.
type access struct {
	manager.Manager

	kind   schema.GroupVersionKind
	client client.Client
}

// GetClient is manager.Manager's.
func (a access) GetClient() client.Client {
	return typedClient{Client: unstructuredclient.NewClient(a.client), kind: a.kind}
}

// GetScheme is manager.Manager's.
func (a access) GetScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(a.kind, &managedResource{})
	return scheme
}

// typedClient tells a new object its kind, which a scheme does not.
type typedClient struct {
	client.Client

	kind schema.GroupVersionKind
}

// Get is client.Reader's.
func (c typedClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if object.GetObjectKind().GroupVersionKind().Empty() {
		object.GetObjectKind().SetGroupVersionKind(c.kind)
	}
	return c.Client.Get(ctx, key, object, options...)
}
