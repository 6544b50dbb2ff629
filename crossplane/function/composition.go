package function

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"
	"github.com/crossplane/function-sdk-go/resource"
	"github.com/crossplane/function-sdk-go/resource/composed"
	"github.com/crossplane/function-sdk-go/resource/composite"
	"github.com/crossplane/function-sdk-go/response"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// composition is one call of the function: the observed state of an XR and its composed
// resources, and the desired state.
type composition struct {
	rsp *fnv1.RunFunctionResponse

	xr       *composite.Unstructured
	observed map[resource.Name]resource.ObservedComposed
	required map[string][]resource.Required

	desired map[resource.Name]*resource.DesiredComposed
	status  map[string]any

	externalNames map[string]string // from the spec, for resources that exist already
	assigned      []resource.Name   // resources whose external name AWS or the provider chooses

	waiting    []string // what is still missing, as text for people
	incomplete bool     // something cannot be composed because of that
}

func newComposition(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) (*composition, error) {
	xr, err := request.GetObservedCompositeResource(req)
	if err != nil {
		return nil, fmt.Errorf("read the composite resource: %w", err)
	}
	observed, err := request.GetObservedComposedResources(req)
	if err != nil {
		return nil, fmt.Errorf("read the observed resources: %w", err)
	}
	desired, err := request.GetDesiredComposedResources(req)
	if err != nil {
		return nil, fmt.Errorf("read the desired resources: %w", err)
	}
	required, err := request.GetRequiredResources(req)
	if err != nil {
		return nil, fmt.Errorf("read the required resources: %w", err)
	}
	externalNames, _, err := unstructured.NestedStringMap(xr.Resource.Object, "spec", "externalNames")
	if err != nil {
		return nil, fmt.Errorf("spec.externalNames: %w", err)
	}
	return &composition{
		rsp: rsp, xr: xr.Resource, observed: observed, required: required,
		desired: desired, status: map[string]any{}, externalNames: externalNames,
	}, nil
}

// spec decodes the XR's spec.
func (c *composition) spec(into any) error {
	data, err := json.Marshal(c.xr.Object["spec"])
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			// The fields that all specs share are in an embedded struct.
			field := strings.TrimPrefix(wrong.Field, "placement.")
			return fmt.Errorf("spec.%s: is a %s, not a %s", field, wrong.Value, wrong.Type)
		}
		return fmt.Errorf("spec: %w", err)
	}
	return nil
}

// add composes a managed resource. externalName is its name on AWS, or empty if AWS
// assigns one. In that case spec.externalNames can name an existing resource.
func (c *composition) add(id resource.Name, name, externalName, providerConfig string, forProvider managed) error {
	data, err := json.Marshal(forProvider)
	if err != nil {
		return fmt.Errorf("compose %s: %w", id, err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("compose %s: %w", id, err)
	}
	object := composed.New()
	object.SetGroupVersionKind(forProvider.kind())
	object.SetName(name)
	object.SetNamespace(c.xr.GetNamespace())
	if externalName == "" {
		c.assigned = append(c.assigned, id)
		externalName = c.externalNames[string(id)]
	}
	if externalName != "" {
		meta.SetExternalName(object, externalName)
	}
	object.Object["spec"] = map[string]any{
		"forProvider": fields,
		// Always in the XR's own namespace, so that an XR cannot use another
		// environment's account.
		"providerConfigRef": map[string]any{"kind": "ProviderConfig", "name": providerConfig},
	}
	c.desired[id] = &resource.DesiredComposed{Resource: object}
	return nil
}

// initially sets fields that apply when a managed resource is created, and that others
// may change later.
func (c *composition) initially(id resource.Name, fields map[string]any) {
	spec, _ := c.desired[id].Resource.Object["spec"].(map[string]any)
	spec["initProvider"] = fields
}

// after reports whether a resource can be composed that AWS rejects until another one is
// ready. A resource that was composed before stays composed, whatever happens to the
// other one.
func (c *composition) after(first, id resource.Name) bool {
	if _, composedBefore := c.observed[id]; composedBefore || c.isReady(first) {
		return true
	}
	c.incomplete = true
	// A resource that is not composed has already reported what it waits for.
	if wanted, found := c.desired[first]; found {
		c.waitFor(fmt.Sprintf("%s %s is not ready", wanted.Resource.GetKind(), wanted.Resource.GetName()))
	}
	return false
}

// afterCreation is after for resources that AWS accepts as soon as the other one exists,
// even if the provider does not report it as ready yet.
func (c *composition) afterCreation(first, id resource.Name) bool {
	if observed, found := c.observed[first]; found && !meta.GetExternalCreateSucceeded(observed.Resource).IsZero() {
		return true
	}
	return c.after(first, id)
}

func (c *composition) isReady(id resource.Name) bool {
	observed, found := c.observed[id]
	return found && judge(observed.Resource).works
}

func (c *composition) waitFor(reason string) {
	if !slices.Contains(c.waiting, reason) {
		c.waiting = append(c.waiting, reason)
	}
}

// wait records what the resources that cannot be composed yet wait for. Those that were
// composed before are kept as observed, because Crossplane deletes what the function
// leaves out.
func (c *composition) wait(reason string, ids ...resource.Name) {
	c.waitFor(reason)
	for _, id := range ids {
		if observed, composedBefore := c.observed[id]; composedBefore {
			c.desired[id] = &resource.DesiredComposed{Resource: asDesired(observed.Resource)}
		} else {
			c.incomplete = true
		}
	}
}

// asDesired returns an observed resource without the fields that the API server and the
// provider added.
func asDesired(observed *composed.Unstructured) *composed.Unstructured {
	kept := composed.New()
	kept.SetGroupVersionKind(observed.GroupVersionKind())
	kept.SetName(observed.GetName())
	kept.SetNamespace(observed.GetNamespace())
	if external := meta.GetExternalName(observed); external != "" {
		meta.SetExternalName(kept, external)
	}
	if spec, found, _ := unstructured.NestedMap(observed.Object, "spec"); found {
		kept.Object["spec"] = spec
	}
	return kept
}

// protect keeps the API server from deleting the XR, by Crossplane's webhook.
func (c *composition) protect(reason string) {
	c.use("protection", strings.ToLower(c.xr.GetKind())+"-"+c.xr.GetName(), map[string]any{
		"of": inUsage(c.xr.Unstructured), "reason": reason,
	})
}

// keepFor keeps composed resources until their user is gone: Crossplane deletes all
// resources of an XR at once. A Usage needs both to be composed.
func (c *composition) keepFor(user resource.Name, used ...resource.Name) {
	by, found := c.desired[user]
	if !found {
		return
	}
	for _, id := range used {
		of, found := c.desired[id]
		if !found {
			continue
		}
		order := string(user) + "-before-" + string(id)
		c.use(resource.Name(order), c.xr.GetName()+"-"+order, map[string]any{
			"of": inUsage(of.Resource.Unstructured), "by": inUsage(by.Resource.Unstructured),
			// The garbage collector retries, too, but at growing intervals.
			"replayDeletion": true,
		})
	}
}

// use composes a Usage, with which Crossplane's webhook rejects deletions.
func (c *composition) use(id resource.Name, name string, spec map[string]any) {
	usage := composed.New()
	usage.SetAPIVersion("protection.crossplane.io/v1beta1")
	usage.SetKind("Usage")
	usage.SetName(name)
	usage.SetNamespace(c.xr.GetNamespace())
	usage.Object["spec"] = spec
	c.desired[id] = &resource.DesiredComposed{Resource: usage}
}

// inUsage refers to an object of the XR's namespace in the form of Usages.
func inUsage(object unstructured.Unstructured) map[string]any {
	return map[string]any{
		"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(),
		"resourceRef": map[string]any{"name": object.GetName()},
	}
}

// report copies a field of an observed resource to the XR's status, if it exists.
func (c *composition) report(field string, id resource.Name, path string) {
	if value := c.observedString(id, path); value != "" {
		c.status[field] = value
	}
}

// reportExternalNames copies the identifiers that AWS assigned to the XR's status. With
// these in spec.externalNames, another hub adopts the resources.
func (c *composition) reportExternalNames() {
	names := map[string]any{}
	for _, id := range c.assigned {
		if observed, found := c.observed[id]; found && meta.GetExternalName(observed.Resource) != "" {
			names[string(id)] = meta.GetExternalName(observed.Resource)
		}
	}
	if len(names) > 0 {
		c.status["externalNames"] = names
	}
}

// observedTrue reports whether a field of an observed resource is true.
func (c *composition) observedTrue(id resource.Name, path string) bool {
	observed, found := c.observed[id]
	if !found {
		return false
	}
	value, err := observed.Resource.GetBool(path)
	return err == nil && value
}

// observedString returns a string or number of an observed resource, at a path such as
// status.atProvider.arn; empty if it does not exist yet.
func (c *composition) observedString(id resource.Name, path string) string {
	observed, found := c.observed[id]
	if !found {
		return ""
	}
	value, err := observed.Resource.GetValue(path)
	if err != nil {
		return "" // it does not exist yet
	}
	switch value := value.(type) {
	case string:
		return value
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case int64:
		return strconv.FormatInt(value, 10)
	default:
		return ""
	}
}

// require asks Crossplane for an object in the XR's own namespace and returns it, or nil
// if Crossplane has not sent it: Crossplane calls again with it.
func (c *composition) require(id string, kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	if c.rsp.GetRequirements() == nil {
		c.rsp.Requirements = &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{}}
	}
	namespace := c.xr.GetNamespace()
	c.rsp.Requirements.Resources[id] = &fnv1.ResourceSelector{
		ApiVersion: kind.GroupVersion().String(),
		Kind:       kind.Kind,
		Match:      &fnv1.ResourceSelector_MatchName{MatchName: name},
		Namespace:  &namespace,
	}
	if found := c.required[id]; len(found) > 0 {
		return found[0].Resource
	}
	return nil
}

// respond writes the desired state, and what is still missing.
func (c *composition) respond() error {
	c.setReadiness()
	if err := response.SetDesiredComposedResources(c.rsp, c.desired); err != nil {
		return fmt.Errorf("set the desired resources: %w", err)
	}
	desired := composite.New()
	desired.SetGroupVersionKind(c.xr.GroupVersionKind())
	if len(c.status) > 0 {
		desired.Object["status"] = c.status
	}
	// Crossplane reports an XR as ready when all composed resources are. That is wrong
	// while one of them is still missing.
	ready := resource.ReadyUnspecified
	if c.incomplete {
		ready = resource.ReadyFalse
	}
	if err := response.SetDesiredCompositeResource(c.rsp, &resource.Composite{Resource: desired, Ready: ready}); err != nil {
		return fmt.Errorf("set the status: %w", err)
	}
	c.explain()
	return nil
}

// fieldOf has the field of the XR for each part of an AWS name.
var fieldOf = map[string]string{
	names.Cluster:  "spec.clusterName",
	names.Account:  "spec.accountId",
	names.Queue:    "metadata.name",
	names.Bucket:   "metadata.name",
	names.Workload: "metadata.name",
}

// named adds the XR's field to an error of the package names.
func named(err error) error {
	var refused *names.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", fieldOf[refused.Part], err)
	}
	return err
}
