package crossplane_test

import (
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/resource"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

// world is what Crossplane shows to the function: the resources that it composed before,
// by the function's own names, and other objects of the XR's namespace.
type world struct {
	composed map[string]*unstructured.Unstructured
	others   []*unstructured.Unstructured
}

// outcome is the function's result for an XR.
type outcome struct {
	rsp      *fnv1.RunFunctionResponse
	status   map[string]any
	composed map[string]*unstructured.Unstructured
	fatal    string
}

// run calls the function as Crossplane does: again with the required objects, until it
// requires no more.
func run(t testing.TB, xr *unstructured.Unstructured, w world) outcome {
	t.Helper()
	req := &fnv1.RunFunctionRequest{
		Observed: &fnv1.State{
			Composite: &fnv1.Resource{Resource: asStruct(t, xr)},
			Resources: map[string]*fnv1.Resource{},
		},
		RequiredResources: map[string]*fnv1.Resources{},
	}
	for id, object := range w.composed {
		req.Observed.Resources[id] = &fnv1.Resource{Resource: asStruct(t, object)}
	}
	for range 5 {
		rsp, err := function.Function{}.RunFunction(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if more := w.answer(t, req, rsp); !more {
			return read(t, rsp)
		}
	}
	t.Fatal("the function requires ever more resources")
	return outcome{}
}

// answer adds the required objects of a response to a request, and reports whether any of
// them is new.
func (w world) answer(t testing.TB, req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) bool {
	t.Helper()
	more := false
	for id, selector := range rsp.GetRequirements().GetResources() {
		if _, answered := req.GetRequiredResources()[id]; answered {
			continue
		}
		more = true
		found := &fnv1.Resources{}
		for _, object := range w.others {
			if object.GetAPIVersion() == selector.GetApiVersion() && object.GetKind() == selector.GetKind() &&
				object.GetName() == selector.GetMatchName() && object.GetNamespace() == selector.GetNamespace() {
				found.Items = append(found.Items, &fnv1.Resource{Resource: asStruct(t, object)})
			}
		}
		req.RequiredResources[id] = found
	}
	return more
}

func read(t testing.TB, rsp *fnv1.RunFunctionResponse) outcome {
	t.Helper()
	got := outcome{rsp: rsp, composed: map[string]*unstructured.Unstructured{}}
	for _, result := range rsp.GetResults() {
		if result.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
			got.fatal = result.GetMessage()
		}
	}
	for id, desired := range rsp.GetDesired().GetResources() {
		object := &unstructured.Unstructured{}
		if err := resource.AsObject(desired.GetResource(), object); err != nil {
			t.Fatal(err)
		}
		got.composed[id] = object
	}
	got.status, _ = rsp.GetDesired().GetComposite().GetResource().AsMap()["status"].(map[string]any)
	return got
}

// condition returns the reason and the message of Provisioned.
func (o outcome) condition(t testing.TB) (reason, message string) {
	t.Helper()
	for _, condition := range o.rsp.GetConditions() {
		if condition.GetType() == "Provisioned" {
			return condition.GetReason(), condition.GetMessage()
		}
	}
	t.Fatal("no condition Provisioned")
	return "", ""
}

// ready reports whether Crossplane would call the XR ready: the function says so for
// every composed resource, and does not object for the XR.
func (o outcome) ready(t testing.TB) bool {
	t.Helper()
	ready := o.rsp.GetDesired().GetComposite().GetReady() != fnv1.Ready_READY_FALSE
	for id, desired := range o.rsp.GetDesired().GetResources() {
		if desired.GetReady() == fnv1.Ready_READY_UNSPECIFIED {
			t.Errorf("the function does not say whether %s is ready", id)
		}
		ready = ready && desired.GetReady() == fnv1.Ready_READY_TRUE
	}
	return ready
}

// objects returns the composed resources, sorted by kind and name.
func (o outcome) objects() []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, object := range o.composed {
		objects = append(objects, object)
	}
	slices.SortFunc(objects, func(a, b *unstructured.Unstructured) int {
		return strings.Compare(a.GroupVersionKind().String()+" "+a.GetName(), b.GroupVersionKind().String()+" "+b.GetName())
	})
	return objects
}

func asStruct(t testing.TB, object runtime.Object) *structpb.Struct {
	t.Helper()
	converted, err := resource.AsStruct(object)
	if err != nil {
		t.Fatal(err)
	}
	return converted
}
