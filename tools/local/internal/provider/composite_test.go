package provider

import (
	"context"
	"os"
	"path"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/resource"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// What AWS fails to create stops what would build on it, and the composite resource
// says so in words, though each managed resource is Ready: the composition function
// and this provider, with nothing in between.
func TestFailureStopsTheComposite(t *testing.T) {
	t.Run("NAT gateway", func(t *testing.T) {
		b := newBench(t)
		b.externals.simulated.fails = []string{"NATGateway"}
		network := b.compose("networks/minimal.yaml", nil)
		network.says("Failed", "NATGateway staging-nat-a: AWS reports no networkInterfaceId and no publicIp; ")
		if network.status["egress"] != nil {
			t.Errorf("its status says that it has egress: %v", network.status)
		}
		cluster := b.compose("eksclusters/minimal.yaml", network.status)
		cluster.says("Waiting", "Network test/staging has not reported status.egress")
		if cluster.desired["nodes"] != nil {
			t.Error("the nodes start without a way out")
		}
		if cluster.ready() {
			t.Error("the cluster is ready without nodes")
		}
	})
	t.Run("node group", func(t *testing.T) {
		b := newBench(t)
		network := b.compose("networks/minimal.yaml", nil)
		network.says("Available", "")
		b.externals.simulated.fails = []string{"NodeGroup"}
		cluster := b.compose("eksclusters/minimal.yaml", network.status)
		cluster.says("Failed", "NodeGroup staging-eks-nodes: AWS reports the status CREATE_FAILED; ")
		if cluster.ready() {
			t.Error("the cluster is ready without nodes")
		}
	})
	t.Run("neither", func(t *testing.T) {
		b := newBench(t)
		cluster := b.compose("eksclusters/minimal.yaml", b.compose("networks/minimal.yaml", nil).status)
		cluster.says("Available", "")
		if !cluster.ready() {
			t.Errorf("the cluster is not ready: %v", cluster.desired)
		}
	})
}

// composite is what has become of a composite resource.
type composite struct {
	t       *testing.T
	desired map[string]*fnv1.Resource
	status  map[string]any
	rsp     *fnv1.RunFunctionResponse
}

func (c composite) says(reason, message string) {
	c.t.Helper()
	for _, condition := range c.rsp.GetConditions() {
		if condition.GetReason() != reason || !strings.HasPrefix(condition.GetMessage(), message) {
			c.t.Errorf("it says %s: %s\nwant %s: %s…", condition.GetReason(), condition.GetMessage(), reason, message)
		}
	}
}

func (c composite) ready() bool {
	ready := c.rsp.GetDesired().GetComposite().GetReady() != fnv1.Ready_READY_FALSE
	for _, desired := range c.desired {
		ready = ready && desired.GetReady() == fnv1.Ready_READY_TRUE
	}
	return ready
}

// compose has the function compose an example, and the provider make what it
// composes, until nothing more comes of it. network is the status of the cluster's
// Network.
func (b *bench) compose(example string, network map[string]any) composite {
	b.Helper()
	xr := b.read("examples/" + example)
	definition := b.read("apis/" + path.Dir(example) + "/definition.yaml")
	kind, found := schema.Builtin().With([]*unstructured.Unstructured{definition}).Lookup(xr.GroupVersionKind())
	if !found {
		b.Fatalf("%s defines no %s", definition.GetName(), xr.GetKind())
	}
	xr.Object = kind.Defaulted(xr.Object)
	xr.SetNamespace("test")
	request := &fnv1.RunFunctionRequest{
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: b.asStruct(xr)}, Resources: map[string]*fnv1.Resource{}},
		RequiredResources: map[string]*fnv1.Resources{"network": {Items: []*fnv1.Resource{{Resource: b.asStruct(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": xr.GetAPIVersion(), "kind": "Network", "metadata": map[string]any{"name": "staging", "namespace": "test"}, "status": network,
		}})}}}},
	}
	for {
		rsp, err := function.Function{}.RunFunction(context.WithoutCancel(b.Context()), request)
		b.ok(err)
		for _, result := range rsp.GetResults() {
			if result.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
				b.Fatal(result.GetMessage())
			}
		}
		desired := rsp.GetDesired().GetResources()
		more := false
		for id, composed := range desired {
			if _, made := request.GetObserved().GetResources()[id]; !made {
				more = true
				request.Observed.Resources[id] = &fnv1.Resource{Resource: b.asStruct(b.make(composed))}
			}
		}
		if !more {
			status, _ := rsp.GetDesired().GetComposite().GetResource().AsMap()["status"].(map[string]any)
			return composite{b.T, desired, status, rsp}
		}
	}
}

// read reads an object of the folder crossplane.
func (b *bench) read(file string) *unstructured.Unstructured {
	b.Helper()
	data, err := os.ReadFile("../../../../crossplane/" + file)
	b.ok(err)
	asJSON, err := yaml.YAMLToJSONStrict(data)
	b.ok(err)
	object := &unstructured.Unstructured{}
	b.ok(object.UnmarshalJSON(asJSON))
	return object
}

// make has the provider make a composed resource. A Usage is Crossplane's own.
func (b *bench) make(composed *fnv1.Resource) *unstructured.Unstructured {
	b.Helper()
	object := &unstructured.Unstructured{}
	b.ok(resource.AsObject(composed.GetResource(), object))
	if object.GetKind() == "Usage" {
		object.Object["status"] = map[string]any{"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Available", "lastTransitionTime": "2026-01-31T08:00:00Z",
		}}}
		return object
	}
	object.Object["status"] = map[string]any{} // null otherwise, which no API server has
	b.ok(b.kube.Create(b.Context(), object))
	return b.settle(object.GetAPIVersion(), object.GetKind(), object.GetName()).GetUnstructured()
}

func (b *bench) asStruct(object runtime.Object) *structpb.Struct {
	b.Helper()
	converted, err := resource.AsStruct(object)
	b.ok(err)
	return converted
}
