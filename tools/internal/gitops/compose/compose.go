// Package compose finds what Crossplane would compose for the composite resources (XRs)
// that Flux applies to a cluster, without Crossplane and without AWS.
//
// For each XR it does what Crossplane does. It sets the defaults of the definition, finds
// the Composition among the rendered objects, and calls the functions of the pipeline
// that the caller has in process. It serves a function's required resources from the
// rendered objects. It gives composed resources back as observed and ready until a
// function composes no more, so the result is the final state. If a function reads a
// value that AWS assigns, it gets a named unknown, such as
//
//	unknown/Cluster/staging/status.atProvider.identity[0].oidc[0].issuer
//
// If an XR cannot be composed, because a function is not available in process or no
// single Composition applies, it becomes an Unknown of the cluster with the reason. If a
// function rejects it, it becomes a Failure. Run is deterministic.
//
// The package does not judge objects, and must not know this repository's function.
package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/resource"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Function is a composition function that runs in this process.
type Function struct {
	fnv1.FunctionRunnerServiceServer
	// Assigned has, by kind, the paths that the function reads in the status of its
	// composed resources, with the value to return; empty for a value that AWS assigns.
	Assigned map[runtimeschema.GroupVersionKind]map[string]string
}

// Pass is a function that composes nothing: it stands in for one that only reports
// readiness.
type Pass struct {
	fnv1.UnimplementedFunctionRunnerServiceServer
}

// RunFunction returns its input unchanged.
func (Pass) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	return &fnv1.RunFunctionResponse{Desired: req.GetDesired(), Context: req.GetContext()}, nil
}

// rounds limits how often an XR is composed again with the result of the previous round.
const rounds = 8

// Run composes every XR of a cluster. It adds the composed objects, the unknown parts
// with their reasons, and the failures to the cluster. functions are by the repository of
// their package, such as ghcr.io/org/function. The error is only the context's.
func Run(ctx context.Context, cluster *render.Cluster, functions map[string]Function) error {
	c := &composer{cluster: cluster, functions: functions}
	composites := c.composites()
	if len(composites) == 0 {
		return nil
	}
	for range rounds {
		changed := false
		for _, xr := range composites {
			if err := ctx.Err(); err != nil {
				return err
			}
			before := xr.result
			xr.result = c.compose(ctx, xr)
			changed = changed || !reflect.DeepEqual(before, xr.result)
		}
		if !changed {
			break
		}
	}
	for _, xr := range composites {
		c.finish(xr)
	}
	return nil
}

type composer struct {
	cluster   *render.Cluster
	functions map[string]Function
	xrs       []*composite
}

// composite is an XR while it is composed.
type composite struct {
	*render.Object
	defaulted map[string]any
	pipeline  []step
	result    result
}

type step struct {
	name     string
	function Function
	input    *structpb.Struct
}

// result is the result of one call of the pipeline.
type result struct {
	composed map[string]map[string]any
	status   map[string]any
	fatal    string
}

// compose calls the pipeline once, with the result of the previous call.
func (c *composer) compose(ctx context.Context, xr *composite) result {
	request := &fnv1.RunFunctionRequest{
		Observed: &fnv1.State{Composite: asResource(xr.observed()), Resources: map[string]*fnv1.Resource{}},
		Desired:  &fnv1.State{},
	}
	for id, object := range xr.result.composed {
		request.Observed.Resources[id] = asResource(observe(object, xr.pipeline))
	}
	for _, step := range xr.pipeline {
		response, err := c.call(ctx, xr, step, request)
		if err != nil {
			return result{fatal: fmt.Sprintf("step %s: %v", step.name, err)}
		}
		for _, told := range response.GetResults() {
			if told.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
				return result{fatal: told.GetMessage()}
			}
		}
		request.Desired, request.Context = response.GetDesired(), response.GetContext()
	}
	made := result{composed: map[string]map[string]any{}}
	for id, desired := range request.GetDesired().GetResources() {
		made.composed[id] = desired.GetResource().AsMap()
	}
	made.status, _ = request.GetDesired().GetComposite().GetResource().AsMap()["status"].(map[string]any)
	return made
}

// call calls one function, again as long as it requires further resources.
func (c *composer) call(
	ctx context.Context, xr *composite, step step, request *fnv1.RunFunctionRequest,
) (*fnv1.RunFunctionResponse, error) {
	request.Input, request.RequiredResources = step.input, map[string]*fnv1.Resources{}
	for range rounds {
		response, err := step.function.RunFunction(ctx, request)
		if err != nil {
			return nil, err
		}
		more := false
		for id, selector := range response.GetRequirements().GetResources() {
			if _, answered := request.GetRequiredResources()[id]; !answered {
				more = true
				request.RequiredResources[id] = c.required(xr, selector)
			}
		}
		if !more {
			return response, nil
		}
	}
	return nil, errors.New("the function requires ever more resources")
}

// required returns the objects that a selector selects, on the XR's own API server.
func (c *composer) required(xr *composite, selector *fnv1.ResourceSelector) *fnv1.Resources {
	found := &fnv1.Resources{}
	for _, o := range c.cluster.Objects() {
		if o.GetAPIVersion() != selector.GetApiVersion() || o.GetKind() != selector.GetKind() ||
			selector.Namespace != nil && o.GetNamespace() != selector.GetNamespace() ||
			!reflect.DeepEqual(o.Owner.Spec.KubeConfig, xr.Owner.Spec.KubeConfig) {
			continue
		}
		if matches(o, selector) {
			found.Items = append(found.Items, asResource(c.seen(o)))
		}
	}
	return found
}

func matches(o *render.Object, selector *fnv1.ResourceSelector) bool {
	if labels := selector.GetMatchLabels(); labels != nil {
		for key, value := range labels.GetLabels() {
			if o.GetLabels()[key] != value {
				return false
			}
		}
		return true
	}
	return o.GetName() == selector.GetMatchName()
}

// seen returns an object as Crossplane sees it: with the status that its own composition
// gives an XR.
func (c *composer) seen(o *render.Object) map[string]any {
	for _, xr := range c.xrs {
		if xr.Object == o {
			return xr.observed()
		}
	}
	return o.Object
}

func (xr *composite) observed() map[string]any {
	observed := runtime.DeepCopyJSON(xr.defaulted)
	if xr.result.status != nil {
		observed["status"] = runtime.DeepCopyJSON(xr.result.status)
	}
	return observed
}

// observe returns a composed resource as observed and ready, with named unknowns where
// the functions read what AWS assigns.
func observe(object map[string]any, pipeline []step) map[string]any {
	observed := runtime.DeepCopyJSON(object)
	u := unstructured.Unstructured{Object: observed}
	condition := func(kind string) any {
		return map[string]any{"type": kind, "status": "True", "reason": "Available", "lastTransitionTime": "1970-01-01T00:00:00Z"}
	}
	observed["status"] = map[string]any{"conditions": []any{condition("Synced"), condition("Ready")}}
	paved := fieldpath.Pave(observed)
	for _, step := range pipeline {
		for path, value := range step.function.Assigned[u.GroupVersionKind()] {
			unknown := strings.Join([]string{"unknown", u.GetKind(), u.GetName(), path}, "/")
			if err := paved.SetString(path, cmp.Or(value, unknown)); err != nil {
				panic(fmt.Sprintf("the path %s of a function: %v", path, err)) // a bug in Assigned
			}
		}
	}
	return observed
}

func asResource(object map[string]any) *fnv1.Resource {
	converted, err := resource.AsStruct(&unstructured.Unstructured{Object: object})
	if err != nil {
		panic(fmt.Sprintf("an object that came from YAML or a function: %v", err))
	}
	return &fnv1.Resource{Resource: converted}
}
