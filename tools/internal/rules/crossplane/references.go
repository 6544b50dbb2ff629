package crossplane

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// References is rule XP001.
var References = rule.Rule{
	ID: "XP001", Severity: findings.Error, Title: "reference of a managed resource that matches nothing",
	Why: "A managed resource waits forever for an object that does not exist, and says so only in its own conditions " +
		"(https://github.com/crossplane-contrib/provider-upjet-gcp/issues/667). In Crossplane v2 a reference stays in the " +
		"namespace, and a ProviderConfig is another kind than a ClusterProviderConfig, which is the default. Resources of EC2 " +
		"and EKS can refer only to the same region. The rule judges provider-aws. It judges references to provider " +
		"configurations only if the cluster declares one, because many are created by hand.",
	Example: "providerConfigRef:\n  kind: ProviderConfig # declared is a ClusterProviderConfig\n  name: default",
	Fix:     "Name an object in the same namespace, of the kind that the field expects.",
	Check:   checkManagedReferences,
}

func checkManagedReferences(r *rule.Pass) {
	for _, o := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		if !model.IsManaged(o) || !r.Cluster.Complete(model.CrossplaneObjects.For(o)) {
			continue
		}
		checkProviderConfig(r, o)
		if !r.Cluster.Complete(model.ManagedResources.For(o)) {
			continue
		}
		for _, block := range []string{"forProvider", "initProvider"} {
			settings, _, _ := unstructured.NestedMap(o.Object, "spec", block)
			checkReferencesIn(r, o, settings, []any{"spec", block})
		}
	}
}

func checkProviderConfig(r *rule.Pass, o *render.Object) {
	group := model.ProviderGroup(o)
	configs := slices.Concat(r.Cluster.Of(group, "ProviderConfig"), r.Cluster.Of(group, "ClusterProviderConfig"))
	if len(configs) == 0 || r.Cluster.ProviderConfig(o) != nil {
		return
	}
	kind, namespace, name := model.ProviderReference(o)
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
		fix = rule.DidYouMean(name, names, "declare the "+kind)
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + namespace
	}
	r.Report(model.At(o, "spec", "providerConfigRef"),
		"%s uses %s %s%s, which the cluster does not declare", o.Key(), kind, name, where).
		Fix(fix)
}

// checkReferencesIn looks for references and selectors at any depth: mappings in fields
// whose names end in Ref, Refs or Selector.
func checkReferencesIn(r *rule.Pass, o *render.Object, content map[string]any, field []any) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		place := append(slices.Clone(field), name)
		switch value := content[name].(type) {
		case map[string]any:
			checkReference(r, o, name, value, place)
		case []any:
			for i, entry := range value {
				if mapping, ok := entry.(map[string]any); ok {
					checkReference(r, o, name, mapping, append(slices.Clone(place), i))
				}
			}
		}
	}
}

func checkReference(r *rule.Pass, o *render.Object, field string, value map[string]any, place []any) {
	stem := strings.TrimSuffix(strings.TrimSuffix(field, "s"), "Ref")
	name, isName := value["name"].(string)
	switch {
	case strings.HasSuffix(stem, "Secret"): // a Kubernetes Secret
	case len(stem) < len(strings.TrimSuffix(field, "s")) && isName:
		checkNamed(r, o, stem, name, value, place)
	case strings.HasSuffix(field, "Selector") && (value["matchLabels"] != nil || value["matchControllerRef"] != nil):
		checkSelected(r, o, strings.TrimSuffix(field, "Selector"), value, place)
	default:
		checkReferencesIn(r, o, value, place)
	}
}

func checkNamed(r *rule.Pass, o *render.Object, stem, name string, reference map[string]any, place []any) {
	if isOptional(reference) {
		return
	}
	kind := referenced(r, o, stem)
	var names []string
	for _, to := range candidates(r, o, kind, reference) {
		if to.GetName() == name {
			checkRegion(r, o, to)
			return
		}
		names = append(names, to.GetName())
	}
	r.Report(model.At(o, append(place, "name")...),
		"%s refers to %s %s, which the cluster does not declare", o.Key(), orResource(kind), name).
		Fix(rule.DidYouMean(name, names, "declare it in the namespace of the resource that refers to it"))
}

// checkRegion compares the regions of two resources, one in the other's network.
// Connections between networks may cross regions.
func checkRegion(r *rule.Pass, o, to *render.Object) {
	mine, other := model.SettingText(o, "region"), model.SettingText(to, "region")
	if mine == "" || other == "" || mine == other || !inNetwork(o) || !inNetwork(to) ||
		strings.Contains(o.GetKind(), "Peering") || strings.Contains(o.GetKind(), "TransitGateway") {
		return
	}
	r.Report(model.SettingAt(o, "region"),
		"%s is in %s, and the %s that it refers to is in %s", o.Key(), mine, to.GetKind(), other).
		Fix("give both the same region")
}

// inNetwork reports whether the resources of a resource's service refer to each other
// only within a region.
func inNetwork(o *render.Object) bool {
	service, _, _ := strings.Cut(o.GroupVersionKind().Group, ".")
	return service == "ec2" || service == "eks"
}

func checkSelected(r *rule.Pass, o *render.Object, stem string, selector map[string]any, place []any) {
	kind := referenced(r, o, stem)
	same, _ := selector["matchControllerRef"].(bool)
	if same || isOptional(selector) ||
		slices.ContainsFunc(candidates(r, o, kind, selector), func(to *render.Object) bool { return model.Selects(o, to, selector) }) {
		return
	}
	labels, _, _ := unstructured.NestedStringMap(selector, "matchLabels")
	r.Report(model.At(o, place...),
		"%s selects %s with labels %v, but the cluster declares none", o.Key(), orResource(kind), labels).
		Fix("add the labels to a declared resource, or refer to it by name")
}

// isOptional reports whether a reference is optional:
// https://docs.crossplane.io/latest/managed-resources/managed-resources/#optional-and-required
func isOptional(reference map[string]any) bool {
	resolution, _, _ := unstructured.NestedString(reference, "policy", "resolution")
	return resolution == "Optional"
}

// referenced returns the kind that a field refers to, if the field's name is that of a
// kind in the same group: roleRef of an iam resource means a Role. It is empty if the
// name is not that clear, as with kmsMasterKeyIdRef.
func referenced(r *rule.Pass, o *render.Object, stem string) string {
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

// candidates lists the managed resources that a reference can mean; of any kind if the
// kind is unknown.
func candidates(r *rule.Pass, from *render.Object, kind string, reference map[string]any) []*render.Object {
	var all []*render.Object
	for _, to := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		known := kind == "" || to.GetKind() == kind && to.GroupVersionKind().Group == from.GroupVersionKind().Group
		if model.IsManaged(to) && known && model.CanMean(from, to, reference) {
			all = append(all, to)
		}
	}
	return all
}
