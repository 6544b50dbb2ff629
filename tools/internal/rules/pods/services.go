package pods

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Services is rule POD008.
var Services = rule.Rule{
	ID: "POD008", Severity: findings.Warning, Title: "Service that reaches no pod",
	Why: "The API server accepts a selector that matches no pods, and a port name that the pods do not have. The Service then " +
		"has no endpoints (https://github.com/kubernetes/kubernetes/issues/9734).",
	Example: "spec:\n  selector: {app: consumr}",
	Fix:     "Use the labels of the pods, and the name or number of a container's port.",
	Check:   checkServices,
}

func checkServices(r *rule.Pass) {
	for _, o := range r.Cluster.Of("", "Service") {
		var service corev1.Service
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &service); err != nil || len(service.Spec.Selector) == 0 {
			continue // the schema reports it, or something else writes its endpoints
		}
		var ports []string
		selected := 0
		for _, w := range r.Cluster.Workloads() {
			beside := w.GetNamespace() == o.GetNamespace() && model.Target(w.Object) == model.Target(o)
			if !beside || !includes(w.Template.Labels, service.Spec.Selector) {
				continue
			}
			selected++
			for _, c := range w.Containers() {
				ports = append(ports, portNames(c.Container)...)
			}
		}
		complete := func() bool { return r.Cluster.Complete(model.ObjectsIn(o.GetNamespace()).For(o)) }
		if selected == 0 {
			if complete() {
				r.Report(onSelector(o, "spec", "selector"),
					"%s selects no pods of namespace %s", o.Key(), o.GetNamespace()).
					Fix("use the labels of the pods")
			}
			continue
		}
		for i, port := range service.Spec.Ports {
			if target := port.TargetPort; target.Type == intstr.String && target.StrVal != "" &&
				!slices.Contains(ports, target.StrVal) && complete() {
				r.Report(model.At(o, "spec", "ports", i, "targetPort"),
					"%s forwards to port %s, which the pods do not have", o.Key(), target.StrVal).
					Fix(rule.DidYouMean(target.StrVal, ports, fmt.Sprintf("name a port of the pods: %v", ports)))
			}
		}
	}
}
