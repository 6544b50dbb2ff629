package pods

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Probes is rule POD003.
var Probes = rule.Rule{
	ID: "POD003", Severity: findings.Warning, Title: "server without probes",
	Why: "Without a readiness probe, a Service sends requests to a pod that is still starting, at every rollout. Without a " +
		"liveness or startup probe, a process that hangs is never restarted " +
		"(https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/).",
	Example: "ports: [{containerPort: 8080}] # and no readinessProbe",
	Fix:     "Add a readinessProbe, and a livenessProbe that checks only whether the process answers.",
	Check:   checkProbes,
}

func checkProbes(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if !w.LongRunning() {
			continue
		}
		ready := slices.ContainsFunc(w.Template.Spec.Containers, func(c corev1.Container) bool { return c.ReadinessProbe != nil })
		if service := serviceOf(r, w); service != "" && !ready {
			r.Report(w.At("containers", 0),
				"%s has no readiness probe, but Service %s sends it requests", w.Key(), service).
				Fix("add a readinessProbe")
		}
		for i, c := range w.Template.Spec.Containers {
			if len(c.Ports) > 0 && c.LivenessProbe == nil && c.StartupProbe == nil {
				r.Report(w.At("containers", i),
					"container %s of %s serves, but has no liveness or startup probe", c.Name, w.Key()).
					Fix("add a livenessProbe")
			}
		}
	}
}

// serviceOf returns the name of a Service that selects the workload's pods; empty if
// there is none.
func serviceOf(r *rule.Pass, w model.Workload) string {
	for _, o := range r.Cluster.Of("", "Service") {
		selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector")
		beside := o.GetNamespace() == w.GetNamespace() && model.Target(o) == model.Target(w.Object)
		if beside && len(selector) > 0 && includes(w.Template.Labels, selector) {
			return o.GetName()
		}
	}
	return ""
}
