package packages

import (
	"path"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Faults is rule XP006.
var Faults = rule.Rule{
	ID: "XP006", Severity: findings.Error, Title: "provider version that cannot create a kind in use",
	Why: "Some releases of a provider have a known fault with some kinds: provider-aws 2.5.0 never creates a " +
		"SecurityGroupIngressRule (https://github.com/crossplane-contrib/provider-upjet-aws/issues/2085). The rule judges " +
		"clusters that install such a release and have an object of such a kind, composed ones included.",
	Example: "package: xpkg.crossplane.io/crossplane-contrib/provider-aws-ec2:v2.5.0 # and a SecurityGroupIngressRule is composed",
	Fix:     "Use a release without the fault.",
	Check:   checkFaults,
}

// fault is a known fault in releases of a service's provider, with the kinds that it
// affects.
type fault struct {
	service  string
	versions []string
	kinds    []string
	effect   string
	evidence string
}

// knownFaults are faults of provider-aws, from its issues on 2026-11-29. A new one needs
// an entry; if a later version has it again, the entry needs that version.
var knownFaults = []fault{
	{
		service: "s3", versions: []string{"2.5.0"}, kinds: []string{"BucketLifecycleConfiguration"},
		effect: "never creates one", evidence: "https://github.com/crossplane-contrib/provider-upjet-aws/issues/2054",
	},
	{
		service: "ec2", versions: []string{"2.5.0"}, kinds: []string{"SecurityGroupIngressRule", "SecurityGroupEgressRule"},
		effect: "never creates one", evidence: "https://github.com/crossplane-contrib/provider-upjet-aws/issues/2003",
	},
}

func checkFaults(r *rule.Pass) {
	for _, provider := range r.Cluster.Of(packageGroup, "Provider") {
		name, tag := model.SplitImage(source(provider))
		for _, fault := range knownFaults {
			if path.Base(name) != "provider-aws-"+fault.service || !slices.Contains(fault.versions, strings.TrimPrefix(tag, "v")) {
				continue
			}
			for _, kind := range fault.kinds {
				used := r.Cluster.Managed(fault.service, kind)
				if len(used) == 0 {
					continue
				}
				r.Report(model.At(provider, "spec", "package"),
					"%s %s has a known fault with %s: it %s, and the cluster has %s (%s)",
					provider.GetName(), tag, kind, fault.effect, used[0].Key(), fault.evidence).
					Fix("use a release without the fault")
			}
		}
	}
}
