package rules

import (
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const crossplaneGroup = "apiextensions.crossplane.io"

// The groups of Crossplane's provider-aws: managed resources that live in
// namespaces, and those of Crossplane v1, which do not.
const (
	namespacedAWS = "aws.m.upbound.io"
	clusterAWS    = "aws.upbound.io"
)

// managed lists the managed resources of a kind of one of provider-aws's
// services.
func (r *Run) managed(service, kind string) []*render.Object {
	return slices.Concat(r.Cluster.Of(service+"."+namespacedAWS, kind), r.Cluster.Of(service+"."+clusterAWS, kind))
}

// isManaged tells whether an object is a managed resource of provider-aws; its
// provider configurations are not.
func isManaged(o *render.Object) bool {
	group := o.GroupVersionKind().Group
	return strings.HasSuffix(group, "."+namespacedAWS) || strings.HasSuffix(group, "."+clusterAWS)
}

// family is the group without the service: references stay within it.
func family(o *render.Object) string {
	if group := o.GroupVersionKind().Group; strings.HasSuffix(group, namespacedAWS) {
		return namespacedAWS
	}
	return clusterAWS
}

// setting is a field of a managed resource's forProvider; initProvider sets
// what forProvider leaves out when the resource is created.
func setting(o *render.Object, name string) any {
	for _, block := range []string{"forProvider", "initProvider"} {
		if value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, name); found {
			return value
		}
	}
	return nil
}

func settingText(o *render.Object, name string) string {
	value, _ := setting(o, name).(string)
	return value
}

// settingAt is a field of a managed resource as a place for findings.
func settingAt(o *render.Object, field ...any) at {
	block := "forProvider"
	if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, field[0].(string)); !found {
		block = "initProvider"
	}
	return on(o, append([]any{"spec", block}, field...)...)
}

// externalName is what AWS calls the resource, where the name is not AWS's to
// choose.
func externalName(o *render.Object) string {
	if name := o.GetAnnotations()["crossplane.io/external-name"]; name != "" {
		return name
	}
	return o.GetName()
}

// refers tells whether a field of a managed resource names another one: by its
// value, which is compares, by reference or by selector. A field that is a list
// has lists of values and of references.
func refers(from, to *render.Object, field string, is func(string) bool) bool {
	values, _ := setting(from, field).([]any)
	for _, value := range append(values, setting(from, field)) {
		if literal, _ := value.(string); literal != "" && is(literal) {
			return true
		}
	}
	references, _ := setting(from, field+"Refs").([]any)
	for _, value := range append(references, setting(from, field+"Ref")) {
		if reference, ok := value.(map[string]any); ok && reference["name"] == to.GetName() && within(from, to, reference) {
			return true
		}
	}
	selector, ok := setting(from, field+"Selector").(map[string]any)
	return ok && within(from, to, selector) && selects(from, to, selector)
}

// within tells whether a reference or a selector can mean a resource: one of
// the same API server and, unless it says another, of the same namespace.
func within(from, to *render.Object, reference map[string]any) bool {
	namespace, _ := reference["namespace"].(string)
	if namespace == "" || family(from) == clusterAWS {
		namespace = from.GetNamespace()
	}
	return family(from) == family(to) && model.Target(from) == model.Target(to) && to.GetNamespace() == namespace
}

func selects(from, to *render.Object, selector map[string]any) bool {
	if same, _ := selector["matchControllerRef"].(bool); same {
		mine, other := metav1.GetControllerOf(from), metav1.GetControllerOf(to)
		if mine == nil || other == nil || *mine != *other {
			return false
		}
	}
	labels, _, _ := unstructured.NestedStringMap(selector, "matchLabels")
	for key, value := range labels {
		if to.GetLabels()[key] != value {
			return false
		}
	}
	return true
}

// unrendered tells whether Crossplane's objects may come from what could not be
// rendered. The chart of Crossplane itself brings none but the packages that its
// values name.
func (r *Run) unrendered() bool {
	return slices.ContainsFunc(r.Cluster.Unknowns, func(unknown render.Unknown) bool {
		return !unknown.Values && !unknown.Composed && (unknown.Object == nil || !r.installsCrossplane(unknown.Object))
	})
}

func (r *Run) installsCrossplane(o *render.Object) bool {
	chart, _, _ := unstructured.NestedString(o.Object, "spec", "chart", "spec", "chart")
	if o.GetKind() != "HelmRelease" || path.Base(chart) != "crossplane" {
		return false
	}
	if _, more, _ := unstructured.NestedSlice(o.Object, "spec", "valuesFrom"); more {
		return false
	}
	return !slices.ContainsFunc([]string{"provider", "function", "configuration"}, func(kind string) bool {
		packages, _, _ := unstructured.NestedSlice(o.Object, "spec", "values", kind, "packages")
		return len(packages) > 0
	})
}

// uncomposed tells whether composite resources may bring managed resources that
// are not among the objects, because what they compose is unknown here.
func (r *Run) uncomposed() bool {
	return slices.ContainsFunc(r.Cluster.Unknowns, func(unknown render.Unknown) bool { return unknown.Composed }) ||
		len(r.Cluster.Failures(render.CompositionFailed)) > 0
}

// definition is a CompositeResourceDefinition.
type definition struct {
	object             *render.Object
	group, kind, claim string
	versions           []map[string]any
}

func (r *Run) definitions() []definition {
	var all []definition
	for _, o := range r.Cluster.Of(crossplaneGroup, "CompositeResourceDefinition") {
		d := definition{object: o}
		d.group, _, _ = unstructured.NestedString(o.Object, "spec", "group")
		d.kind, _, _ = unstructured.NestedString(o.Object, "spec", "names", "kind")
		d.claim, _, _ = unstructured.NestedString(o.Object, "spec", "claimNames", "kind")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, version := range versions {
			// One that is no mapping is left to the schema.
			mapping, _ := version.(map[string]any)
			d.versions = append(d.versions, mapping)
		}
		all = append(all, d)
	}
	return all
}
