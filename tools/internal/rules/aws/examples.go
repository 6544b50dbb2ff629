package aws

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Examples is rule AWS002.
var Examples = rule.Rule{
	ID: "AWS002", Severity: findings.Warning, Title: "address that is reserved for documentation",
	Why: "RFC 5737 and RFC 3849 reserve blocks of addresses for examples, and nobody has these addresses " +
		"(https://www.rfc-editor.org/rfc/rfc5737). If a list of who may reach a cluster still has one, it admits nobody: your " +
		"first call of the cluster's API times out.",
	Example: "vpcConfig:\n  publicAccessCidrs: [203.0.113.10/32]",
	Fix:     "Write the addresses from which the cluster is called.",
	Check:   checkExamples,
}

// documented are the address blocks of RFC 5737 and RFC 3849.
var documented = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("2001:db8::/32"),
}

// allowing are the fields that say who may reach something. A new one needs only a line.
var allowing = []struct{ group, kind, path string }{
	{"eks." + model.NamespacedAWS, "Cluster", "spec/forProvider/vpcConfig/publicAccessCidrs"},
	{"eks." + model.ClusterAWS, "Cluster", "spec/forProvider/vpcConfig/publicAccessCidrs"},
	{"ec2." + model.NamespacedAWS, "SecurityGroupIngressRule", "spec/forProvider/cidrIpv4"},
	{"ec2." + model.ClusterAWS, "SecurityGroupIngressRule", "spec/forProvider/cidrIpv4"},
	{"ec2." + model.NamespacedAWS, "SecurityGroupRule", "spec/forProvider/cidrBlocks"},
	{"ec2." + model.ClusterAWS, "SecurityGroupRule", "spec/forProvider/cidrBlocks"},
	{"", "Service", "spec/loadBalancerSourceRanges"},
	{"networking.k8s.io", "NetworkPolicy", "spec/ingress/from/ipBlock/cidr"},
	{"networking.k8s.io", "NetworkPolicy", "spec/egress/to/ipBlock/cidr"},
}

func checkExamples(r *rule.Pass) {
	for _, field := range allowing {
		kind := schema.GroupKind{Group: field.group, Kind: field.kind}
		for _, o := range r.Cluster.Of(kind.Group, kind.Kind) {
			for _, value := range model.Values(o, field.path) {
				block, err := netip.ParsePrefix(value.Text())
				if err == nil && isDocumented(block) {
					r.Report(value.Field, "%s is reserved for documentation: nobody has these addresses", block).
						Fix("write the addresses that you mean")
				}
			}
		}
	}
}

func isDocumented(block netip.Prefix) bool {
	return slices.ContainsFunc(documented, func(d netip.Prefix) bool {
		return d.Bits() <= block.Bits() && d.Contains(block.Addr())
	})
}
