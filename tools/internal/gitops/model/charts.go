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

// chart are the names of a project's charts, and the groups whose kinds they bring.
type chart struct{ names, groups []string }

// chartKinds are the charts of which it is known what they bring beside the objects of
// their namespace: the kinds of some groups. The version of a chart is that of its
// project, unless the chart counts its own.
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

// countsItself are charts whose version says nothing of the program's.
var countsItself = []string{"argo-rollouts", "cloudnative-pg", "kube-prometheus-stack", "kyverno", "prometheus-operator-crds"}

// groupsOf are the groups of which a release is known to have the kinds; known is
// whether its chart is one of those above.
func (c *Cluster) groupsOf(release *render.Object) (groups []string, known bool) {
	name := c.chartName(release)
	for _, chart := range chartKinds {
		if slices.Contains(chart.names, name) {
			return chart.groups, true
		}
	}
	return nil, false
}

// mayDefine reports whether an object may bring the definitions of a group: it is no
// release, or the release of a chart that is known to have them, or of one of which
// nothing is known while nobody else is known to have them.
func (c *Cluster) mayDefine(o *render.Object, group string) bool {
	if _, isRelease := releaseNamespace(o); !isRelease {
		return true
	}
	if groups, known := c.groupsOf(o); known {
		return isOf(group, groups)
	}
	return c.chartName(o) == "" || !slices.ContainsFunc(chartKinds, func(chart chart) bool { return isOf(group, chart.groups) })
}

// mayBring reports whether an object may bring objects of a group's kinds that live in
// no namespace: it is no release, or nothing is known of its chart, or the chart is
// known to have those kinds.
func (c *Cluster) mayBring(o *render.Object, group string) bool {
	if _, isRelease := releaseNamespace(o); !isRelease {
		return true
	}
	groups, known := c.groupsOf(o)
	return !known || isOf(group, groups)
}

// isOf reports whether a group is one of some, or below one.
func isOf(group string, groups []string) bool {
	return slices.ContainsFunc(groups, func(of string) bool { return group == of || strings.HasSuffix(group, "."+of) })
}

// chartName is the name of the chart that a HelmRelease installs; empty where that is
// unknown, or for another object.
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
