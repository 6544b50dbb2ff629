package pods

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Resources is rule POD002.
var Resources = rule.Rule{
	ID: "POD002", Severity: findings.Warning, Title: "container without resource requests",
	Why: "The scheduler places a pod by its requests. Without them any number of pods fits on a node, and they are the first " +
		"to be evicted. Without a memory limit, a leak also kills other pods of the node. CPU needs no limit " +
		"(https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/).",
	Example: "resources: {}",
	Fix:     "Set requests of cpu and memory and a limit of memory, or add a LimitRange to the namespace.",
	Check:   checkResources,
}

func checkResources(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if limitRange(r, w) {
			continue
		}
		of := w.Template.Spec.Resources
		if of == nil {
			of = &corev1.ResourceRequirements{}
		}
		for _, c := range w.Containers() {
			var missing []string
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				// Without a request, the limit is the request.
				if !has(name, c.Resources.Requests, c.Resources.Limits, of.Requests, of.Limits) {
					missing = append(missing, "requests."+string(name))
				}
			}
			if !has(corev1.ResourceMemory, c.Resources.Limits, of.Limits) {
				missing = append(missing, "limits.memory")
			}
			if len(missing) > 0 {
				r.Report(c.At("resources"),
					"container %s of %s has no %s", c.Name, w.Key(), strings.Join(missing, ", ")).
					Fix("set them to what the program uses")
			}
		}
	}
}

func has(name corev1.ResourceName, lists ...corev1.ResourceList) bool {
	return slices.ContainsFunc(lists, func(list corev1.ResourceList) bool { return !list.Name(name, "").IsZero() })
}

// limitRange reports whether the workload's namespace has a default for its containers.
func limitRange(r *rule.Pass, w model.Workload) bool {
	for _, o := range r.Cluster.Of("", "LimitRange") {
		if o.GetNamespace() == w.GetNamespace() && model.Target(o) == model.Target(w.Object) {
			return true
		}
	}
	return false
}
