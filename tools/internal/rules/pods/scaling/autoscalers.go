package scaling

import (
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Autoscalers is rule POD016.
var Autoscalers = rule.Rule{
	ID: "POD016", Severity: findings.Error, Title: "autoscaler that Flux or another autoscaler works against",
	Why: "A HorizontalPodAutoscaler writes the replicas of its target, and Flux writes the number in the manifest back at " +
		"every interval (https://github.com/fluxcd/flux2/issues/1842). A VerticalPodAutoscaler that raises the requests of CPU " +
		"or memory lowers the utilization that a HorizontalPodAutoscaler measures, and each reacts to the other " +
		"(https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/known-limitations.md).",
	Example: "kind: Deployment\nspec:\n  replicas: 2 # and a HorizontalPodAutoscaler scales it",
	Fix:     "Remove spec.replicas. Let only one autoscaler act on CPU and memory.",
	Check:   checkAutoscalers,
}

func checkAutoscalers(r *rule.Pass) {
	for _, o := range r.Cluster.Of("autoscaling", "HorizontalPodAutoscaler") {
		var hpa autoscalingv2.HorizontalPodAutoscaler
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &hpa); err != nil {
			continue // the schema reports it, or it has an older version
		}
		target := hpa.Spec.ScaleTargetRef
		scaled := r.Cluster.Find(o, model.GroupOf(target.APIVersion), target.Kind, o.GetNamespace(), target.Name)
		if scaled == nil {
			continue
		}
		checkReplicas(r, o, scaled)
		for _, vpa := range r.Cluster.Beside(o, "autoscaling.k8s.io", "VerticalPodAutoscaler") {
			if shares(hpa, vpa) {
				r.Report(model.At(vpa, "spec", "targetRef"),
					"%s changes the requests of %s, by which %s measures the load: each undoes what the other did", vpa.Key(), scaled.Key(), o.Key()).
					Fix("set updateMode: \"Off\", or scale on something else than CPU and memory")
			}
		}
	}
}

func checkReplicas(r *rule.Pass, hpa, scaled *render.Object) {
	w, ok := model.WorkloadOf(scaled)
	if !ok || w.Replicas == nil || !model.SetsReplicas(scaled) {
		return
	}
	severity := findings.Error
	if model.SetsAtUpgrades(scaled) {
		severity = findings.Warning
	}
	r.ReportAs(severity, model.At(scaled, "spec", "replicas"),
		"%s sets replicas: %d, but %s scales it", scaled.Key(), *w.Replicas, hpa.Key()).
		Fix("remove spec.replicas")
}

// shares reports whether a VerticalPodAutoscaler changes a resource on which a
// HorizontalPodAutoscaler scales the same target.
func shares(hpa autoscalingv2.HorizontalPodAutoscaler, vpa *render.Object) bool {
	target, _, _ := unstructured.NestedStringMap(vpa.Object, "spec", "targetRef")
	mode, said, _ := unstructured.NestedString(vpa.Object, "spec", "updatePolicy", "updateMode")
	if target["kind"] != hpa.Spec.ScaleTargetRef.Kind || target["name"] != hpa.Spec.ScaleTargetRef.Name || said && mode == "Off" {
		return false
	}
	var controlled []string
	for _, value := range model.Values(vpa, "spec/resourcePolicy/containerPolicies/controlledResources") {
		controlled = append(controlled, value.Text())
	}
	return slices.ContainsFunc(hpa.Spec.Metrics, func(metric autoscalingv2.MetricSpec) bool {
		if metric.Resource == nil || metric.Resource.Target.Type != autoscalingv2.UtilizationMetricType {
			return false
		}
		return len(controlled) == 0 || slices.Contains(controlled, string(metric.Resource.Name))
	})
}
