package traffic

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Metrics is rule POD013.
var Metrics = rule.Rule{
	ID: "POD013", Severity: findings.Warning, Title: "metrics that nobody may scrape",
	Why: "The program serves metrics, but the NetworkPolicies of its namespace admit nobody to that port. Prometheus shows the " +
		"target as down, or does not find it, and nobody notices the empty dashboard until it is needed " +
		"(https://github.com/codecentric/helm-charts/issues/546). The rule judges the ports of known programs, ports with the " +
		"name metrics, and the port in the annotation prometheus.io/port.",
	Example: "ports: [{name: metrics, containerPort: 9090}] # and a NetworkPolicy with policyTypes: [Ingress] alone",
	Fix:     "Admit Prometheus to that port, by the label of its namespace.",
	Check:   checkMetrics,
}

func checkMetrics(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		policies := policiesOf(r, w)
		if len(policies) == 0 || !judged(r, w) {
			continue
		}
		for _, c := range w.MainContainers() {
			for i, port := range c.Ports {
				if protocol(port) == corev1.ProtocolTCP && servesMetrics(r, w, port) && closes(policies, port) {
					r.Report(c.At("ports", i), "port %s of %s serves metrics, but no NetworkPolicy of namespace %s admits anybody",
						portName(port), w.Key(), w.GetNamespace()).
						Fix("add a NetworkPolicy that admits Prometheus")
				}
			}
		}
	}
}

// servesMetrics reports whether a workload states that it serves metrics at a port.
func servesMetrics(r *rule.Pass, w model.Workload, port corev1.ContainerPort) bool {
	if program, known := r.Program(w); known && program.Metrics != "" && program.Metrics == port.Name {
		return true
	}
	annotations := w.Template.Annotations
	annotated := annotations["prometheus.io/scrape"] == "true" && annotations["prometheus.io/port"] == strconv.Itoa(int(port.ContainerPort))
	return annotated || strings.Contains(port.Name, "metrics")
}

// closes reports whether policies allow nobody to reach a port.
func closes(policies []policy, port corev1.ContainerPort) bool {
	closed := false
	for _, p := range policies {
		if !p.restricts(networkingv1.PolicyTypeIngress) {
			continue
		}
		closed = true
		if slices.ContainsFunc(p.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool { return opens(rule.Ports, port) }) {
			return false
		}
	}
	return closed
}

// opens reports whether a rule's ports include a container's port; a rule without ports
// includes all.
func opens(ports []networkingv1.NetworkPolicyPort, port corev1.ContainerPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return means(p, port.Name, port.ContainerPort, protocol(port))
	})
}

func protocol(port corev1.ContainerPort) corev1.Protocol {
	if port.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return port.Protocol
}

func portName(port corev1.ContainerPort) string {
	if port.Name == "" {
		return strconv.Itoa(int(port.ContainerPort))
	}
	return port.Name
}
