package compose

import (
	"errors"
	"fmt"

	crossplane "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"github.com/google/go-containerregistry/pkg/name"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// composites returns the XRs of the cluster that can be composed; the others become
// unknown parts.
func (c *composer) composites() []*composite {
	kinds := map[runtimeschema.GroupKind]bool{}
	var objects []*unstructured.Unstructured
	for _, o := range c.cluster.Objects() {
		objects = append(objects, o.Unstructured)
		if o.GetKind() == crossplane.CompositeResourceDefinitionKind && o.GroupVersionKind().Group == crossplane.Group {
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			for _, field := range []string{"names", "claimNames"} {
				if kind, _, _ := unstructured.NestedString(o.Object, "spec", field, "kind"); kind != "" {
					kinds[runtimeschema.GroupKind{Group: group, Kind: kind}] = true
				}
			}
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	catalog := schema.Builtin().With(objects)
	for _, o := range c.cluster.Objects() {
		if !kinds[o.GroupVersionKind().GroupKind()] {
			continue
		}
		pipeline, err := c.pipeline(o)
		if err != nil {
			c.cluster.Unknowns = append(c.cluster.Unknowns,
				render.Unknown{Key: o.Key(), Object: o, Reason: err.Error(), At: o.Locate(), Hides: render.HidesComposed})
			continue
		}
		xr := &composite{Object: o, pipeline: pipeline, defaulted: o.Object}
		if kind, found := catalog.Lookup(o.GroupVersionKind()); found {
			xr.defaulted = kind.Defaulted(o.Object)
		}
		c.xrs = append(c.xrs, xr)
	}
	return c.xrs
}

// pipeline returns the pipeline of the Composition that Crossplane selects for an XR.
func (c *composer) pipeline(xr *render.Object) ([]step, error) {
	composition, err := c.composition(xr)
	if err != nil {
		return nil, err
	}
	if composition.Spec.Mode != crossplane.CompositionModePipeline {
		return nil, fmt.Errorf("its Composition %s has no pipeline", composition.Name)
	}
	var steps []step
	for _, s := range composition.Spec.Pipeline {
		function, err := c.function(s.FunctionRef.Name)
		if err != nil {
			return nil, fmt.Errorf("step %s of its Composition %s: %w", s.Step, composition.Name, err)
		}
		input := &structpb.Struct{}
		if s.Input != nil && len(s.Input.Raw) > 0 {
			if err := input.UnmarshalJSON(s.Input.Raw); err != nil {
				return nil, fmt.Errorf("step %s of its Composition %s: input: %w", s.Step, composition.Name, err)
			}
		}
		steps = append(steps, step{s.Step, function, input})
	}
	return steps, nil
}

// composition returns the Composition that an XR names, or the only one for its kind.
func (c *composer) composition(xr *render.Object) (*crossplane.Composition, error) {
	wanted, _, _ := unstructured.NestedString(xr.Object, "spec", "crossplane", "compositionRef", "name")
	var found []*crossplane.Composition
	for _, o := range c.cluster.Objects() {
		if o.GetKind() != crossplane.CompositionKind || o.GroupVersionKind().Group != crossplane.Group {
			continue
		}
		var composition crossplane.Composition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &composition); err != nil {
			continue // the schema says why
		}
		of := composition.Spec.CompositeTypeRef
		if of.APIVersion == xr.GetAPIVersion() && of.Kind == xr.GetKind() && (wanted == "" || wanted == o.GetName()) {
			found = append(found, &composition)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return nil, errors.New("the cluster has no Composition for it")
	default:
		return nil, fmt.Errorf("the cluster has %d Compositions for it: name one in spec.crossplane.compositionRef", len(found))
	}
}

// function returns the function in this process that a Function object installs.
func (c *composer) function(installed string) (Function, error) {
	o := c.cluster.Get(render.Key{GroupKind: runtimeschema.GroupKind{Group: "pkg.crossplane.io", Kind: "Function"}, Name: installed})
	if o == nil {
		return Function{}, fmt.Errorf("the cluster does not install the function %s", installed)
	}
	source, _, _ := unstructured.NestedString(o.Object, "spec", "package")
	reference, err := name.ParseReference(source)
	if err != nil {
		return Function{}, fmt.Errorf("the package of function %s: %w", installed, err)
	}
	function, found := c.functions[reference.Context().Name()]
	if !found {
		return Function{}, fmt.Errorf("the function %s runs in Crossplane only", reference.Context().Name())
	}
	return function, nil
}
