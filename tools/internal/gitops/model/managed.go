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

// CrossplaneGroup is the API group of definitions and compositions.
const CrossplaneGroup = "apiextensions.crossplane.io"

// The groups of Crossplane's provider-aws, without the service: those of managed
// resources that live in namespaces, and those of Crossplane v1, which do not.
const (
	NamespacedAWS = "aws.m.upbound.io"
	ClusterAWS    = "aws.upbound.io"
)

// Managed lists the managed resources of a kind of one of provider-aws's services.
func (c *Cluster) Managed(service, kind string) []*render.Object {
	return slices.Concat(c.Of(service+"."+NamespacedAWS, kind), c.Of(service+"."+ClusterAWS, kind))
}

// IsManaged reports whether an object is a managed resource of provider-aws; its
// provider configurations are not.
func IsManaged(o *render.Object) bool {
	group := o.GroupVersionKind().Group
	return strings.HasSuffix(group, "."+NamespacedAWS) || strings.HasSuffix(group, "."+ClusterAWS)
}

// ProviderGroup is the group without the service: references stay within it.
func ProviderGroup(o *render.Object) string {
	if group := o.GroupVersionKind().Group; strings.HasSuffix(group, NamespacedAWS) {
		return NamespacedAWS
	}
	return ClusterAWS
}

// Setting is a field of a managed resource's forProvider; initProvider sets what
// forProvider leaves out when the resource is created.
func Setting(o *render.Object, name string) any {
	for _, block := range []string{"forProvider", "initProvider"} {
		if value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, name); found {
			return value
		}
	}
	return nil
}

// SettingText is a Setting that is a text; empty for none.
func SettingText(o *render.Object, name string) string {
	value, _ := Setting(o, name).(string)
	return value
}

// SettingAt is where a managed resource says a setting.
func SettingAt(o *render.Object, name string, path ...any) Field {
	block := "forProvider"
	if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", block, name); !found {
		block = "initProvider"
	}
	return At(o, "spec", block, name).At(path...)
}

// ExternalName is what AWS calls the resource, where the name is not AWS's to
// choose.
func ExternalName(o *render.Object) string {
	return cmp.Or(o.GetAnnotations()["crossplane.io/external-name"], o.GetName())
}

// Refers reports whether a field of a managed resource names another one: by its
// value, which `is` compares, by reference or by selector. A field that is a list
// has lists of values and of references.
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
// another one: of the same API server and, unless it says another, of the same
// namespace.
func CanMean(from, to *render.Object, reference map[string]any) bool {
	namespace, _ := reference["namespace"].(string)
	if namespace == "" || ProviderGroup(from) == ClusterAWS {
		namespace = from.GetNamespace()
	}
	return ProviderGroup(from) == ProviderGroup(to) && Target(from) == Target(to) && to.GetNamespace() == namespace
}

// Selects reports whether a selector of Crossplane's in one object selects another
// one, by labels and by the controller that both have.
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

// DeletesExternal reports whether deleting a managed resource deletes what it
// manages, and where it says so.
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

// ProviderReference is which provider configuration a managed resource uses.
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

// ProviderConfig is the provider configuration that a managed resource uses, or nil.
func (c *Cluster) ProviderConfig(o *render.Object) *render.Object {
	kind, namespace, name := ProviderReference(o)
	return c.Find(o, ProviderGroup(o), kind, namespace, name)
}

// AccountOf is the account in which a managed resource is made: that of the last
// role which its provider configuration assumes. It is empty if that is not said.
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

// RoleARN is an IAM role's ARN taken apart. Path begins and ends with a slash.
type RoleARN struct{ Partition, Account, Path, Name string }

var rolePattern = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role(/(?:[!-~]+/)?)([\w+=,.@-]{1,64})$`)

// ParseRoleARN takes an IAM role's ARN apart.
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

// Definitions are the cluster's CompositeResourceDefinitions.
func (c *Cluster) Definitions() []Definition {
	var all []Definition
	for _, o := range c.Of(CrossplaneGroup, "CompositeResourceDefinition") {
		d := Definition{Object: o}
		d.Group, _, _ = unstructured.NestedString(o.Object, "spec", "group")
		d.Kind, _, _ = unstructured.NestedString(o.Object, "spec", "names", "kind")
		d.Claim, _, _ = unstructured.NestedString(o.Object, "spec", "claimNames", "kind")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, version := range versions {
			// One that is no mapping is left to the schema.
			mapping, _ := version.(map[string]any)
			d.Versions = append(d.Versions, mapping)
		}
		all = append(all, d)
	}
	return all
}
