package model

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// CrossplaneGroup is the API group of definitions and Compositions.
const CrossplaneGroup = "apiextensions.crossplane.io"

// The API groups of Crossplane's provider-aws, without the service: namespaced managed
// resources, and the cluster-scoped ones of Crossplane v1.
const (
	NamespacedAWS = "aws.m.upbound.io"
	ClusterAWS    = "aws.upbound.io"
)

// Managed returns the managed resources of one kind of provider-aws.
func (c *Cluster) Managed(service, kind string) []*render.Object {
	return slices.Concat(c.Of(service+"."+NamespacedAWS, kind), c.Of(service+"."+ClusterAWS, kind))
}

// IsManaged reports whether an object is a managed resource of provider-aws; its
// provider configurations are not.
func IsManaged(o *render.Object) bool {
	group := o.GroupVersionKind().Group
	return strings.HasSuffix(group, "."+NamespacedAWS) || strings.HasSuffix(group, "."+ClusterAWS)
}

// ProviderGroup returns an object's group without the service. References do not leave
// this group.
func ProviderGroup(o *render.Object) string {
	if group := o.GroupVersionKind().Group; strings.HasSuffix(group, NamespacedAWS) {
		return NamespacedAWS
	}
	return ClusterAWS
}

// Setting returns a field in a managed resource's forProvider or, if it is absent there,
// in initProvider, which sets it at creation.
func Setting(o *render.Object, name string) any {
	for _, block := range []string{"forProvider", "initProvider"} {
		if value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, name); found {
			return value
		}
	}
	return nil
}

// SettingText returns a Setting that is a string; empty for none.
func SettingText(o *render.Object, name string) string {
	value, _ := Setting(o, name).(string)
	return value
}

// SettingAt returns where a managed resource has a setting.
func SettingAt(o *render.Object, name string, path ...any) Field {
	block := "forProvider"
	if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, name); !found {
		block = "initProvider"
	}
	return At(o, "spec", block, name).At(path...)
}

// ExternalName returns the resource's name on AWS, for kinds whose name AWS does not
// choose.
func ExternalName(o *render.Object) string {
	return cmp.Or(o.GetAnnotations()["crossplane.io/external-name"], o.GetName())
}

// Refers reports whether a field of a managed resource names another one: by a value for
// which is returns true, by reference or by selector. A field may also be a list of
// these.
func Refers(from, to *render.Object, field string, is func(string) bool) bool {
	values, _ := Setting(from, field).([]any)
	for _, value := range append(values, Setting(from, field)) {
		if literal, _ := value.(string); literal != "" && is(literal) {
			return true
		}
	}
	references, _ := Setting(from, field+"Refs").([]any)
	for _, value := range append(references, Setting(from, field+"Ref")) {
		if reference, ok := value.(map[string]any); ok && reference["name"] == to.GetName() && CanMean(from, to, reference) {
			return true
		}
	}
	selector, ok := Setting(from, field+"Selector").(map[string]any)
	return ok && CanMean(from, to, selector) && Selects(from, to, selector)
}

// CanMean reports whether a reference or a selector in one managed resource can mean
// another one: it must be on the same API server and, unless the reference names a
// namespace, in the same one.
func CanMean(from, to *render.Object, reference map[string]any) bool {
	namespace, _ := reference["namespace"].(string)
	if namespace == "" || ProviderGroup(from) == ClusterAWS {
		namespace = from.GetNamespace()
	}
	return ProviderGroup(from) == ProviderGroup(to) && Target(from) == Target(to) && to.GetNamespace() == namespace
}

// Selects reports whether one of Crossplane's selectors in an object selects another one,
// by labels and by their common controller.
func Selects(from, to *render.Object, selector map[string]any) bool {
	if same, _ := selector["matchControllerRef"].(bool); same {
		mine, other := metav1.GetControllerOf(from), metav1.GetControllerOf(to)
		if mine == nil || other == nil || *mine != *other {
			return false
		}
	}
	matched, _, _ := unstructured.NestedStringMap(selector, "matchLabels")
	return labels.SelectorFromSet(matched).Matches(labels.Set(to.GetLabels()))
}

// DeletesExternal reports whether deleting a managed resource deletes the external
// resource, and which field says so.
func DeletesExternal(o *render.Object) (Field, bool) {
	policies, said, _ := unstructured.NestedStringSlice(o.Object, "spec", "managementPolicies")
	policy, _, _ := unstructured.NestedString(o.Object, "spec", "deletionPolicy")
	switch {
	case said && !slices.Equal(policies, []string{"*"}):
		return At(o, "spec", "managementPolicies"), slices.Contains(policies, "Delete") || slices.Contains(policies, "*")
	case ProviderGroup(o) == ClusterAWS:
		return At(o, "spec", "deletionPolicy"), policy != "Orphan"
	case said:
		return At(o, "spec", "managementPolicies"), true
	}
	return At(o, "spec"), true
}

// ProviderReference returns the reference to the provider configuration that a managed
// resource uses.
func ProviderReference(o *render.Object) (kind, namespace, name string) {
	kind, _, _ = unstructured.NestedString(o.Object, "spec", "providerConfigRef", "kind")
	name, _, _ = unstructured.NestedString(o.Object, "spec", "providerConfigRef", "name")
	if ProviderGroup(o) == ClusterAWS {
		return "ProviderConfig", "", cmp.Or(name, "default")
	}
	if kind = cmp.Or(kind, "ClusterProviderConfig"); kind == "ProviderConfig" {
		namespace = o.GetNamespace()
	}
	return kind, namespace, cmp.Or(name, "default")
}

// ProviderConfig returns the provider configuration that a managed resource uses, or nil.
func (c *Cluster) ProviderConfig(o *render.Object) *render.Object {
	kind, namespace, name := ProviderReference(o)
	return c.Find(o, ProviderGroup(o), kind, namespace, name)
}

// AccountOf returns the account in which a managed resource is created: the account of
// the last role that its provider configuration assumes. It is empty if the configuration
// does not say.
func (c *Cluster) AccountOf(o *render.Object) string {
	config := c.ProviderConfig(o)
	if config == nil {
		return ""
	}
	assumed, _, _ := unstructured.NestedString(config.Object, "spec", "credentials", "webIdentity", "roleARN")
	if chain, _, _ := unstructured.NestedSlice(config.Object, "spec", "assumeRoleChain"); len(chain) > 0 {
		last, _ := chain[len(chain)-1].(map[string]any)
		assumed, _ = last["roleARN"].(string)
	}
	role, _ := ParseRoleARN(assumed)
	return role.Account
}

// RoleARN is the ARN of an IAM role in its parts. Path begins and ends with a slash.
type RoleARN struct{ Partition, Account, Path, Name string }

var rolePattern = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role(/(?:[!-~]+/)?)([\w+=,.@-]{1,64})$`)

// ParseRoleARN splits the ARN of an IAM role into its parts.
func ParseRoleARN(text string) (RoleARN, bool) {
	match := rolePattern.FindStringSubmatch(text)
	if match == nil {
		return RoleARN{}, false
	}
	return RoleARN{match[1], match[2], match[3], match[4]}, true
}

func (a RoleARN) String() string {
	return "arn:" + a.Partition + ":iam::" + a.Account + ":role" + a.Path + a.Name
}

// Definition is a CompositeResourceDefinition.
type Definition struct {
	Object             *render.Object
	Group, Kind, Claim string
	Versions           []map[string]any
}

// Definitions returns the cluster's CompositeResourceDefinitions.
func (c *Cluster) Definitions() []Definition {
	var all []Definition
	for _, o := range c.Of(CrossplaneGroup, "CompositeResourceDefinition") {
		d := Definition{Object: o}
		d.Group, _, _ = unstructured.NestedString(o.Object, "spec", "group")
		d.Kind, _, _ = unstructured.NestedString(o.Object, "spec", "names", "kind")
		d.Claim, _, _ = unstructured.NestedString(o.Object, "spec", "claimNames", "kind")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, version := range versions {
			// The schema reports one that is not a mapping.
			mapping, _ := version.(map[string]any)
			d.Versions = append(d.Versions, mapping)
		}
		all = append(all, d)
	}
	return all
}
