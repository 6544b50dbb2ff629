package traffic

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// ServicePorts is rule POD015.
var ServicePorts = rule.Rule{
	ID: "POD015", Severity: findings.Error, Title: "NetworkPolicy that names the Service's port instead of the pod's",
	Why: "A policy is enforced at the pod, where the Service's port is already translated to the targetPort: a policy with the " +
		"Service's port admits nobody " +
		"(https://github.com/ahmetb/kubernetes-network-policy-recipes/blob/master/09-allow-traffic-only-to-a-port.md). It is " +
		"reported if the pods have no such port, a Service in front of them has it, and no policy admits the port that the " +
		"Service forwards to.",
	Example: "ports: [{port: 80}] # the Service has port 80 and targetPort 8080",
	Fix:     "Write the port of the container, or its name.",
	Check:   checkServicePorts,
}

func checkServicePorts(r *rule.Pass) {
	reported := map[string]bool{}
	for _, w := range r.Cluster.Workloads() {
		ports := portsOf(w)
		if len(ports) == 0 || !judged(r, w) {
			continue
		}
		policies := policiesOf(r, w)
		for _, p := range policies {
			for i, rule := range p.Spec.Ingress {
				for j, port := range rule.Ports {
					target := servedBy(r, w, port)
					place := model.At(p.object, "spec", "ingress", i, "ports", j, "port")
					once := fmt.Sprint(p.object.Key(), i, j)
					if target == nil || opensAny(port, ports) || reaches(policies, ports, *target) || reported[once] {
						continue
					}
					reported[once] = true
					r.Report(place, "%s admits port %d, which is a Service's; the pods of %s have %s instead",
						p.object.Key(), port.Port.IntVal, w.Key(), target).
						Fix("write port: " + target.String())
				}
			}
		}
	}
}

// reaches reports whether policies allow the port to which a Service forwards.
func reaches(policies []policy, ports []corev1.ContainerPort, target intstr.IntOrString) bool {
	i := slices.IndexFunc(ports, func(p corev1.ContainerPort) bool {
		return target.Type == intstr.String && p.Name == target.StrVal || target.Type == intstr.Int && p.ContainerPort == target.IntVal
	})
	return i < 0 || !closes(policies, ports[i])
}

func portsOf(w model.Workload) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, c := range w.Containers() {
		ports = append(ports, c.Ports...)
	}
	return ports
}

func opensAny(port networkingv1.NetworkPolicyPort, ports []corev1.ContainerPort) bool {
	return slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool {
		return means(port, p.Name, p.ContainerPort, protocol(p))
	})
}

// servedBy returns the targetPort of a Service whose own port has the number of a
// policy's port, if the two differ; nil if there is none.
func servedBy(r *rule.Pass, w model.Workload, port networkingv1.NetworkPolicyPort) *intstr.IntOrString {
	if port.Port == nil || port.Port.Type == intstr.String || port.EndPort != nil {
		return nil
	}
	for _, o := range r.Cluster.Beside(w.Object, "", "Service") {
		if !selectsPods(o, w) {
			continue
		}
		var service corev1.Service
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &service); err != nil {
			continue
		}
		for _, served := range service.Spec.Ports {
			if served.Port == port.Port.IntVal && served.TargetPort != (intstr.IntOrString{}) && served.TargetPort != *port.Port {
				return &served.TargetPort
			}
		}
	}
	return nil
}

// selectsPods reports whether a Service selects a workload's pods.
func selectsPods(service *render.Object, w model.Workload) bool {
	selector := model.Values(service, "spec/selector")
	if len(selector) == 0 {
		return false
	}
	labels, _ := selector[0].Value.(map[string]any)
	for key, value := range labels {
		if w.Template.Labels[key] != value {
			return false
		}
	}
	return len(labels) > 0
}
