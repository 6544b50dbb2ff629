package provider

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"github.com/go-logr/logr"
	kerrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

const (
	testRegion  = "eu-west-1"
	testAccount = "000000000000"
)

// bench is an API server that keeps objects and checks nothing, the real local
// AWS with a clock that stands still, and crossplane-runtime's reconciler.
type bench struct {
	*testing.T
	kube   client.Client
	clock  *localaws.FakeClock
	faults *localaws.Faults
	clients
	endpoint  string
	externals externals
}

// newBench has the objects, as YAML.
func newBench(t *testing.T, objects ...string) *bench {
	t.Helper()
	b := &bench{T: t, clock: localaws.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), faults: &localaws.Faults{}}
	aws, err := localaws.New(localaws.Config{Region: testRegion, AccountID: testAccount}, localaws.WithClock(b.clock), localaws.WithFaults(b.faults))
	b.ok(err)
	listener := httptest.NewServer(aws)
	t.Cleanup(listener.Close)
	b.endpoint = listener.URL
	fixtures, err := readFixtures()
	b.ok(err)
	b.externals = newExternals(Config{Endpoint: listener.URL, Account: testAccount}, fixtures)
	b.clients = b.externals.clients
	builder := fake.NewClientBuilder().WithScheme(runtime.NewScheme())
	for kind := range fixtures { // of what is made later
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind.WithVersion("v1beta1"))
		builder.WithStatusSubresource(object)
	}
	for _, text := range objects {
		object := &unstructured.Unstructured{}
		asJSON, err := yaml.YAMLToJSONStrict([]byte(text))
		b.ok(err)
		b.ok(object.UnmarshalJSON(asJSON))
		// The fake client makes an absent status null, which no API server does.
		b.ok(unstructured.SetNestedMap(object.Object, map[string]any{}, "status"))
		builder.WithObjects(object).WithStatusSubresource(object)
	}
	b.kube = builder.Build()
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// get is an object as it is now; nil when it is gone.
func (b *bench) get(apiVersion, kind, name string) *managedResource {
	b.Helper()
	m := &managedResource{}
	m.Object = map[string]any{}
	m.SetAPIVersion(apiVersion)
	m.SetKind(kind)
	err := b.kube.Get(b.Context(), client.ObjectKey{Namespace: "test", Name: name}, m.GetUnstructured())
	if kerrors.IsNotFound(err) {
		return nil
	}
	b.ok(err)
	return m
}

// settle reconciles an object as long as its reconciler wants to at once, and
// gives it back. What fails wants that for ever, and gets four more goes.
func (b *bench) settle(apiVersion, kind, name string) *managedResource {
	b.Helper()
	m := b.get(apiVersion, kind, name)
	reconciler := newReconciler(b.kube, m.GroupVersionKind(), b.externals, time.Minute, logr.Discard())
	for range 5 {
		result, err := reconciler.Reconcile(b.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(m)})
		b.ok(err)
		if !result.Requeue { //nolint:staticcheck // the field that crossplane-runtime sets
			break
		}
	}
	return b.get(apiVersion, kind, name)
}

// edit changes an object as a user does.
func (b *bench) edit(m *managedResource, change func(*managedResource)) {
	b.Helper()
	change(m)
	b.ok(b.kube.Update(b.Context(), m.GetUnstructured()))
}

// delete marks an object as deleted; its finalizer keeps it.
func (b *bench) delete(m *managedResource) {
	b.Helper()
	b.ok(b.kube.Delete(b.Context(), m.GetUnstructured()))
}

// condition compares status and reason of a condition, and gives its message.
func (b *bench) condition(m *managedResource, condition xpv2.ConditionType, status string, reason xpv2.ConditionReason) string {
	b.Helper()
	got := m.GetCondition(condition)
	if string(got.Status) != status || got.Reason != reason {
		b.Errorf("%s is %s (%s: %s), want %s (%s)", condition, got.Status, got.Reason, got.Message, status, reason)
	}
	return got.Message
}

// valid holds an object, its status included, against the pinned provider's
// definition.
func (b *bench) valid(m *managedResource) {
	b.Helper()
	definition, found := schema.Builtin().Lookup(m.GroupVersionKind())
	if !found {
		b.Fatalf("%s is not a kind of the pinned provider", m.GroupVersionKind())
	}
	for _, problem := range definition.Validate(m.Object) {
		b.Errorf("%s %s: %s", m.GetKind(), m.GetName(), problem)
	}
}

func (m *managedResource) observed(field string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(m.Object, "status", "atProvider", field)
	return value
}

func set(field string, value any) func(*managedResource) {
	return func(m *managedResource) {
		if err := unstructured.SetNestedField(m.Object, value, "spec", "forProvider", field); err != nil {
			panic(err)
		}
	}
}

// queue is what the local AWS has of a queue, by attribute.
func (b *bench) queue(m *managedResource) map[string]string {
	b.Helper()
	url := meta.GetExternalName(m)
	out, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	b.ok(err)
	return out.Attributes
}

func (b *bench) queueURLs() []string {
	b.Helper()
	out, err := b.sqs.ListQueues(context.WithoutCancel(b.Context()), &sqs.ListQueuesInput{})
	b.ok(err)
	return out.QueueUrls
}
