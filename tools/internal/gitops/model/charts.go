package model

import (
	"cmp"
	"path"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const fluxGroup = "toolkit.fluxcd.io"

// chart has the names of a project's charts, and the API groups whose kinds they install.
type chart struct{ names, groups []string }

// chartKinds are the charts whose kinds outside of the release's namespace are known. A
// chart has its project's version, except those in countsItself.
var chartKinds = []chart{
	{[]string{"flux2", "flux2-sync", "flux2-multi-tenancy", "flux-operator", "flux-instance"}, []string{fluxGroup, "fluxcd.controlplane.io"}},
	{[]string{"keda"}, []string{KEDAGroup}},
	{[]string{"crossplane", "universal-crossplane"}, []string{"crossplane.io", "upbound.io"}},
	{[]string{"external-secrets"}, []string{"external-secrets.io"}},
	{[]string{"kube-prometheus-stack", "prometheus-operator-crds", "prometheus-operator"}, []string{"monitoring.coreos.com"}},
	{[]string{"cert-manager"}, []string{"cert-manager.io"}},
	{[]string{"cilium"}, []string{"cilium.io"}},
	{[]string{"grafana-operator"}, []string{"grafana.integreatly.org"}},
	{[]string{"cloudnative-pg"}, []string{"postgresql.cnpg.io"}},
	{[]string{"kyverno"}, []string{"kyverno.io"}},
	{[]string{"karpenter", "karpenter-crd"}, []string{"karpenter.sh", "karpenter.k8s.aws"}},
	{[]string{"argo-rollouts"}, []string{"argoproj.io"}},
}

// countsItself are charts with a version of their own, which says nothing about the
// program's version.
var countsItself = []string{"argo-rollouts", "cloudnative-pg", "kube-prometheus-stack", "kyverno", "prometheus-operator-crds"}

// groupsOf returns the groups whose kinds a release is known to install. known reports
// whether its chart is one of chartKinds.
func (c *Cluster) groupsOf(release *render.Object) (groups []string, known bool) {
	name := c.chartName(release)
	for _, chart := range chartKinds {
		if slices.Contains(chart.names, name) {
			return chart.groups, true
		}
	}
	return nil, false
}

// mayDefine reports whether an object may install the definitions of a group. That is so
// unless it is a release whose chart is known to lack them; a release of an unknown chart
// counts only if no other chart is known to have the group.
func (c *Cluster) mayDefine(o *render.Object, group string) bool {
	if _, isRelease := releaseNamespace(o); !isRelease {
		return true
	}
	if groups, known := c.groupsOf(o); known {
		return isOf(group, groups)
	}
	return c.chartName(o) == "" || !slices.ContainsFunc(chartKinds, func(chart chart) bool { return isOf(group, chart.groups) })
}

// mayBring reports whether an object may install cluster-scoped objects of a group's
// kinds: it is not a release, or its chart is unknown, or the chart is known to have
// those kinds.
func (c *Cluster) mayBring(o *render.Object, group string) bool {
	if _, isRelease := releaseNamespace(o); !isRelease {
		return true
	}
	groups, known := c.groupsOf(o)
	return !known || isOf(group, groups)
}

// isOf reports whether a group is one of the groups, or a subgroup of one.
func isOf(group string, groups []string) bool {
	return slices.ContainsFunc(groups, func(of string) bool { return group == of || strings.HasSuffix(group, "."+of) })
}

// chartName returns the name of the chart that a HelmRelease installs; empty if it is
// unknown, or if the object is no HelmRelease.
func (c *Cluster) chartName(o *render.Object) string {
	if _, isRelease := releaseNamespace(o); !isRelease {
		return ""
	}
	text := func(o *render.Object, field ...string) string {
		value, _, _ := unstructured.NestedString(o.Object, field...)
		return value
	}
	name := text(o, "spec", "chart", "spec", "chart")
	if name == "" {
		key := render.Key{
			GroupKind: schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: text(o, "spec", "chartRef", "kind")},
			Namespace: cmp.Or(text(o, "spec", "chartRef", "namespace"), o.GetNamespace()), Name: text(o, "spec", "chartRef", "name"),
		}
		if source := c.Get(key); source != nil {
			name = cmp.Or(text(source, "spec", "chart"), text(source, "spec", "url"))
		}
	}
	if name == "" || strings.Contains(name, "${") {
		return ""
	}
	return path.Base(name)
}
