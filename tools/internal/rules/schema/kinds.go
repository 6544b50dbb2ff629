package schema

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Kinds is rule SCH001.
var Kinds = rule.Rule{
	ID: "SCH001", Severity: findings.Error, Title: "kind that the API server does not know",
	Why: "An object of an unknown kind fails the dry-run of its whole Kustomization. validate knows the kinds of the pinned " +
		"projects, such as Kubernetes, Flux, KEDA, Crossplane and the AWS provider, and those that the cluster's own " +
		"definitions declare. A kind of a group that none of them has is a warning, because a distribution or an installer may " +
		"bring it before Flux starts. A kind is also a warning if it is missing only in an assumed version, or in another " +
		"minor version than the cluster's.",
	Example: "apiVersion: apps/v1\nkind: Deploymnt",
	Fix:     "Correct apiVersion or kind, apply the definition, or give it by --schema.",
	Check:   checkKinds,
}

// withoutSchema are existing kinds whose definitions may not be copied here: Flux
// Operator's licence is the AGPL.
var withoutSchema = []schema.GroupKind{
	{Group: "fluxcd.controlplane.io", Kind: "FluxInstance"},
	{Group: "fluxcd.controlplane.io", Kind: "FluxReport"},
	{Group: "fluxcd.controlplane.io", Kind: "ResourceSet"},
	{Group: "fluxcd.controlplane.io", Kind: "ResourceSetInputProvider"},
}

// coreGroups are the groups of Kubernetes' own kinds: no unknown source adds kinds to
// them.
var coreGroups = []string{"", "apps", "batch", "autoscaling", "policy", "rbac.authorization.k8s.io", "networking.k8s.io"}

func checkKinds(r *rule.Pass) {
	unchecked := map[schema.GroupVersionKind]bool{}
	for _, o := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		kind := o.GroupVersionKind()
		if _, known := r.Cluster.Catalog.Lookup(kind); known || slices.Contains(withoutSchema, kind.GroupKind()) {
			continue
		}
		group, catalog := meantGroup(r, kind), r.Cluster.Catalog
		versions, groups, kinds := catalog.Versions(kind.GroupKind()), catalog.Groups(kind.Kind), catalog.Kinds(kind.Group)
		field, fix := "kind", "apply its CustomResourceDefinition, or name it with --schema"
		switch {
		case group != "":
			field, fix = "apiVersion", fmt.Sprintf("did you mean %s?", group)
		case !ofKubernetes(kind.Group) && !r.Cluster.Complete(model.DefinitionsOf(kind.Group).For(o)):
			continue
		case len(kinds) == 0 && !ofKubernetes(kind.Group):
			if !unchecked[kind] {
				unchecked[kind] = true
				r.Warn(model.At(o, "apiVersion"),
					"no schema of %s in %s is known here: its objects are not checked", kind.Kind, kind.GroupVersion()).
					Fix("apply its CustomResourceDefinition, or give it by --schema")
			}
			continue
		case len(versions) > 0:
			field, fix = "apiVersion", fmt.Sprintf("the version is one of %v", versions)
		case len(groups) == 1:
			field, fix = "apiVersion", fmt.Sprintf("%s is a kind of the group %s", kind.Kind, groups[0])
		case len(groups) > 1:
			field, fix = "apiVersion", rule.DidYouMean(kind.Group, groups, fix)
		case len(kinds) > 0:
			fix = rule.DidYouMean(kind.Kind, kinds, fix)
		}
		if severity, note, judged := byVersion(r, o, kinds); judged {
			r.ReportAs(severity, model.At(o, field), "there is no kind %s in %s%s", kind.Kind, kind.GroupVersion(), note).Fix(fix)
		}
	}
}

// byVersion returns the severity and a note for what the known version of a group does
// not have, depending on the version in the cluster. judged is false if the cluster has
// another major version.
func byVersion(r *rule.Pass, o *render.Object, kinds []string) (severity findings.Severity, note string, judged bool) {
	if len(kinds) == 0 {
		return findings.Error, "", true
	}
	sibling := schema.GroupKind{Group: o.GroupVersionKind().Group, Kind: kinds[0]}
	known, _ := r.Cluster.Catalog.Lookup(sibling.WithVersion(r.Cluster.Catalog.Versions(sibling)[0]))
	if r.Cluster.HasOtherMajor(o, known.Source()) {
		return "", "", false
	}
	if r.Cluster.AssumesFlux(known.Source()) {
		return findings.Warning, fmt.Sprintf(" of %s, which is assumed: the cluster does not say which Flux it has", known.Source()), true
	}
	severity, note = r.Pinned(o, known.Source())
	return severity, note, true
}

// ofKubernetes reports whether no definition can add kinds to a group: the group of a
// CustomResourceDefinition contains a dot.
func ofKubernetes(group string) bool {
	return slices.Contains(coreGroups, group) || !strings.Contains(group, ".")
}

// meantGroup returns the group that has such a kind and that an unknown group probably
// means; empty for none. The first parts of cloud services' groups are so short that ecs
// does not count as a misspelt eks.
func meantGroup(r *rule.Pass, kind schema.GroupVersionKind) string {
	if len(r.Cluster.Catalog.Kinds(kind.Group)) > 0 {
		return ""
	}
	meant := spelling.Near(kind.Group, r.Cluster.Catalog.Groups(kind.Kind))
	service, cloud, _ := strings.Cut(kind.Group, ".")
	other, same, _ := strings.Cut(meant, ".")
	if cloud != "" && cloud == same && len(service) <= 3 && len(other) <= 3 {
		return ""
	}
	return meant
}
