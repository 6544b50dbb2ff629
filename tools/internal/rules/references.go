package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

func checkManagedReferences(r *Run) {
	if r.unrendered() {
		return
	}
	for _, o := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		if !isManaged(o) {
			continue
		}
		r.checkProviderConfig(o)
		if r.uncomposed() {
			continue
		}
		for _, block := range []string{"forProvider", "initProvider"} {
			settings, _, _ := unstructured.NestedMap(o.Object, "spec", block)
			r.checkReferencesIn(o, settings, []any{"spec", block})
		}
	}
}

func (r *Run) checkProviderConfig(o *render.Object) {
	configs := slices.Concat(r.Cluster.Of(family(o), "ProviderConfig"), r.Cluster.Of(family(o), "ClusterProviderConfig"))
	if len(configs) == 0 || r.providerConfig(o) != nil {
		return
	}
	kind, namespace, name := providerReference(o)
	fix := ""
	var names []string
	for _, config := range configs {
		switch {
		case config.GetName() == name && config.GetKind() != kind:
			fix = "set kind: " + config.GetKind()
		case config.GetName() == name:
			fix = fmt.Sprintf("%s is in namespace %s: move it, or make it a ClusterProviderConfig", name, config.GetNamespace())
		}
		names = append(names, config.GetName())
	}
	if fix == "" {
		fix = didYouMean(name, names, "declare the "+kind)
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + namespace
	}
	r.report(on(o, "spec", "providerConfigRef"), fix, "%s takes %s %s%s, which the cluster does not declare", o.Key(), kind, name, where)
}

// checkReferencesIn looks for references and selectors at any depth: a mapping
// at a field whose name ends in Ref, Refs or Selector.
func (r *Run) checkReferencesIn(o *render.Object, content map[string]any, field []any) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		place := append(slices.Clone(field), name)
		switch value := content[name].(type) {
		case map[string]any:
			r.checkReference(o, name, value, place)
		case []any:
			for i, entry := range value {
				if mapping, ok := entry.(map[string]any); ok {
					r.checkReference(o, name, mapping, append(slices.Clone(place), i))
				}
			}
		}
	}
}

func (r *Run) checkReference(o *render.Object, field string, value map[string]any, place []any) {
	stem := strings.TrimSuffix(strings.TrimSuffix(field, "s"), "Ref")
	name, isName := value["name"].(string)
	switch {
	case strings.HasSuffix(stem, "Secret"): // of Kubernetes
	case len(stem) < len(strings.TrimSuffix(field, "s")) && isName:
		r.checkNamed(o, stem, name, value, place)
	case strings.HasSuffix(field, "Selector") && (value["matchLabels"] != nil || value["matchControllerRef"] != nil):
		r.checkSelected(o, strings.TrimSuffix(field, "Selector"), value, place)
	default:
		r.checkReferencesIn(o, value, place)
	}
}

func (r *Run) checkNamed(o *render.Object, stem, name string, reference map[string]any, place []any) {
	if isOptional(reference) {
		return
	}
	kind := r.referenced(o, stem)
	var names []string
	for _, to := range r.within(o, kind, reference) {
		if to.GetName() == name {
			r.checkRegion(o, to)
			return
		}
		names = append(names, to.GetName())
	}
	r.report(on(o, append(place, "name")...), didYouMean(name, names, "declare it in the namespace of the resource that refers to it"),
		"%s refers to %s %s, which the cluster does not declare", o.Key(), orResource(kind), name)
}

// checkRegion compares the regions of two resources of which one is in the
// other's network; connections between networks may cross regions.
func (r *Run) checkRegion(o, to *render.Object) {
	mine, other := settingText(o, "region"), settingText(to, "region")
	if mine == "" || other == "" || mine == other || !inNetwork(o) || !inNetwork(to) ||
		strings.Contains(o.GetKind(), "Peering") || strings.Contains(o.GetKind(), "TransitGateway") {
		return
	}
	r.report(settingAt(o, "region"), "give both the same region", "%s is in %s, and the %s that it refers to is in %s",
		o.Key(), mine, to.GetKind(), other)
}

// inNetwork tells whether a resource is of a service whose resources refer to
// each other within a region only.
func inNetwork(o *render.Object) bool {
	service, _, _ := strings.Cut(o.GroupVersionKind().Group, ".")
	return service == "ec2" || service == "eks"
}

func (r *Run) checkSelected(o *render.Object, stem string, selector map[string]any, place []any) {
	kind := r.referenced(o, stem)
	same, _ := selector["matchControllerRef"].(bool)
	if same || isOptional(selector) || slices.ContainsFunc(r.within(o, kind, selector), func(to *render.Object) bool { return selects(o, to, selector) }) {
		return
	}
	labels, _, _ := unstructured.NestedStringMap(selector, "matchLabels")
	r.report(on(o, place...), "label a declared resource so, or name it", "%s selects %s with labels %v, and the cluster declares none", o.Key(), orResource(kind), labels)
}

// isOptional: https://docs.crossplane.io/latest/managed-resources/managed-resources/#optional-and-required
func isOptional(reference map[string]any) bool {
	resolution, _, _ := unstructured.NestedString(reference, "policy", "resolution")
	return resolution == "Optional"
}

// referenced is the kind that a field refers to, when its name is that of a kind
// of the same group: roleRef of an iam resource means a Role. It is empty when
// the name says too little, such as kmsMasterKeyIdRef.
func (r *Run) referenced(o *render.Object, stem string) string {
	for _, kind := range r.Cluster.Catalog.Kinds(o.GroupVersionKind().Group) {
		if strings.EqualFold(kind, stem) {
			return kind
		}
	}
	return ""
}

func orResource(kind string) string {
	if kind == "" {
		return "managed resource"
	}
	return kind
}

// within lists the managed resources that a reference can mean, of any kind
// where the kind is not known.
func (r *Run) within(from *render.Object, kind string, reference map[string]any) []*render.Object {
	var all []*render.Object
	for _, to := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		known := kind == "" || to.GetKind() == kind && to.GroupVersionKind().Group == from.GroupVersionKind().Group
		if isManaged(to) && known && within(from, to, reference) {
			all = append(all, to)
		}
	}
	return all
}

func checkDeletion(r *Run) {
	for _, kind := range []struct{ service, name string }{{"sqs", "Queue"}, {"s3", "Bucket"}} {
		for _, o := range r.managed(kind.service, kind.name) {
			place, deletes := deletion(o)
			if !deletes || r.protected(o) {
				continue
			}
			force, _ := setting(o, "forceDestroy").(bool)
			switch {
			case kind.name == "Queue":
				r.report(place, deletionFix(o), "deleting %s deletes the queue and its messages", o.Key())
			case force:
				r.report(settingAt(o, "forceDestroy"), "remove forceDestroy, or "+deletionFix(o), "deleting %s deletes the bucket and its objects", o.Key())
			}
		}
	}
}

// deletion tells whether deleting a managed resource deletes what it manages.
func deletion(o *render.Object) (at, bool) {
	policies, said, _ := unstructured.NestedStringSlice(o.Object, "spec", "managementPolicies")
	policy, _, _ := unstructured.NestedString(o.Object, "spec", "deletionPolicy")
	switch {
	case said && !slices.Equal(policies, []string{"*"}):
		return on(o, "spec", "managementPolicies"), slices.Contains(policies, "Delete") || slices.Contains(policies, "*")
	case family(o) == clusterAWS:
		return on(o, "spec", "deletionPolicy"), policy != "Orphan"
	case said:
		return on(o, "spec", "managementPolicies"), true
	}
	return on(o, "spec"), true
}

func deletionFix(o *render.Object) string {
	if o.Composite != nil {
		return "protect " + o.Composite.Key().String() + " with a Usage, as its API may offer"
	}
	if family(o) == clusterAWS {
		return "set deletionPolicy: Orphan"
	}
	return "set managementPolicies: [Observe, Create, Update, LateInitialize]"
}

// protected tells whether a Usage keeps a managed resource, or Flux is told not
// to prune it.
func (r *Run) protected(o *render.Object) bool {
	if o.GetAnnotations()["kustomize.toolkit.fluxcd.io/prune"] == "disabled" {
		return true
	}
	usages := slices.Concat(r.Cluster.Of("protection.crossplane.io", "Usage"), r.Cluster.Of("protection.crossplane.io", "ClusterUsage"), r.Cluster.Of(crossplaneGroup, "Usage"))
	if slices.ContainsFunc(usages, func(usage *render.Object) bool { return protects(usage, o) }) {
		return true
	}
	// What is composed goes with its composite resource.
	return o.Composite != nil && r.protected(o.Composite)
}

func protects(usage, o *render.Object) bool {
	of, _, _ := unstructured.NestedMap(usage.Object, "spec", "of")
	version, _ := of["apiVersion"].(string)
	group, _, _ := strings.Cut(version, "/")
	if group != o.GroupVersionKind().Group || of["kind"] != o.GetKind() || model.Target(usage) != model.Target(o) {
		return false
	}
	reference, named := of["resourceRef"].(map[string]any)
	if !named {
		reference, _ = of["resourceSelector"].(map[string]any)
	}
	namespace, _ := reference["namespace"].(string)
	if namespace == "" {
		namespace = usage.GetNamespace()
	}
	if o.GetNamespace() != "" && namespace != o.GetNamespace() {
		return false
	}
	return named && reference["name"] == o.GetName() || !named && reference != nil && selects(usage, o, reference)
}
