package keda

import (
	"fmt"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// MetricsAPI is rule KEDA018.
var MetricsAPI = rule.Rule{
	ID: "KEDA018", Severity: findings.Error, Title: "two servers of external metrics",
	Why: "A cluster has one APIService v1beta1.external.metrics.k8s.io. If two programs register it, such as KEDA and " +
		"Datadog's agent, or KEDA twice, the last one wins, and every HorizontalPodAutoscaler of the other one finds no metric " +
		"(https://github.com/kedacore/keda/issues/6475, https://github.com/kedacore/keda/issues/609).",
	Example: "kind: HelmRelease # of chart keda, beside a HelmRelease of chart datadog with clusterAgent.metricsProvider.enabled: true",
	Fix:     "Keep one of them, or switch off the metrics server of the other one.",
	Check:   checkMetricsAPI,
}

// externalMetrics is the APIService that only one program in a cluster can have.
const externalMetrics = "v1beta1.external.metrics.k8s.io"

// serving has the charts that register it, each with the value that turns this on; empty
// for charts that always do.
var serving = map[string][]string{
	"keda":                         nil,
	"datadog":                      {"clusterAgent", "metricsProvider", "enabled"},
	"newrelic-k8s-metrics-adapter": nil,
	"k8s-cloudwatch-adapter":       nil,
}

// server is a program that registers the APIService.
type server struct {
	at   model.Field
	name string
}

func checkMetricsAPI(r *rule.Pass) {
	servers := map[string][]server{}
	known := map[render.Key]bool{}
	for _, o := range r.Cluster.Of("apiregistration.k8s.io", "APIService") {
		if o.GetName() == externalMetrics {
			known[o.Owner.Key()] = true
			servers[model.Target(o)] = append(servers[model.Target(o)], server{model.At(o), o.Owner.String()})
		}
	}
	for _, release := range r.Cluster.Of(model.ReleaseKind.Group, model.ReleaseKind.Kind) {
		chart, _, _ := unstructured.NestedString(release.Object, "spec", "chart", "spec", "chart")
		target := model.Target(release)
		if applier := r.Cluster.Applier(release.Key()); applier != nil && applier.Spec.KubeConfig != nil {
			target = model.Target(&render.Object{Owner: applier})
		}
		if !known[release.Key()] && registers(release, path.Base(chart)) {
			servers[target] = append(servers[target], server{model.At(release), release.Key().String()})
		}
	}
	for _, all := range servers {
		for _, other := range all[1:] {
			r.Report(other.at, "%s registers %s, and so does %s: only one of them is asked", other.name, externalMetrics, all[0].name).
				Fix(fmt.Sprintf("keep one, or switch off the metrics of %s", other.name))
		}
	}
}

// registers reports whether the release of a chart, which could not be rendered,
// registers the APIService.
func registers(release *render.Object, chart string) bool {
	value, listed := serving[chart]
	if !listed || len(value) == 0 {
		return listed
	}
	on, _, _ := unstructured.NestedBool(release.Object, append([]string{"spec", "values"}, value...)...)
	return on
}
