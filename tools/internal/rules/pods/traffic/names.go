package traffic

import (
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Names is rule POD014.
var Names = rule.Rule{
	ID: "POD014", Severity: findings.Warning, Title: "pods that call by name but may not ask DNS",
	Why: "A NetworkPolicy that restricts egress also blocks the cluster's DNS: every call by name fails with \"no such host\" " +
		"or a timeout, although the policy allows the call itself (https://github.com/aws/aws-network-policy-agent/issues/230, " +
		"https://github.com/kubernetes/website/issues/38267).",
	Example: "policyTypes: [Egress]\negress:\n  - ports: [{port: 443}] # and env: API_URL is https://api.example.com",
	Fix:     "Allow egress to the pods of kube-system at port 53, UDP and TCP.",
	Check:   checkNames,
}

const dnsPort = 53

func checkNames(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		var closing *policy
		asks := false
		for _, p := range policiesOf(r, w) {
			if p.restricts(networkingv1.PolicyTypeEgress) {
				closing = &p
				asks = asks || slices.ContainsFunc(p.Spec.Egress, letsAsk)
			}
		}
		if closing == nil || asks || w.Template.Spec.DNSPolicy == corev1.DNSNone || !judged(r, w) {
			continue
		}
		if called := calledName(r, w); called != "" {
			r.Report(model.At(closing.object, "spec", "egress"),
				"%s calls %s by name, but no NetworkPolicy lets it ask DNS at port %d", w.Key(), called, dnsPort).
				Fix("allow egress to port 53, UDP and TCP")
		}
	}
}

func letsAsk(rule networkingv1.NetworkPolicyEgressRule) bool {
	return len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool {
		named := p.Port != nil && strings.Contains(p.Port.StrVal, "dns")
		return named || means(p, "", dnsPort, corev1.ProtocolUDP)
	})
}

// calledName returns the host in the first URL in the environment or the arguments of a
// workload's containers. It ignores addresses and the pod itself; empty for none.
func calledName(r *rule.Pass, w model.Workload) string {
	for _, c := range w.Containers() {
		variables, _ := r.Cluster.Environment(c)
		texts := slices.Concat(c.Command, c.Args)
		for _, env := range c.Env {
			if v := variables[env.Name]; v.Known {
				texts = append(texts, v.Value)
			}
		}
		for _, text := range texts {
			if host := hostOf(text); host != "" {
				return host
			}
		}
	}
	return ""
}

func hostOf(text string) string {
	if _, value, flag := strings.Cut(text, "="); flag && strings.HasPrefix(text, "-") {
		text = value
	}
	parsed, err := url.Parse(strings.TrimSpace(text))
	if err != nil || parsed.Scheme == "" || parsed.Host == "" {
		return ""
	}
	host := parsed.Hostname()
	if host == "localhost" || net.ParseIP(host) != nil || strings.ContainsAny(host, "$(){}") {
		return ""
	}
	return host
}
