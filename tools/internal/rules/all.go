// Package rules judges a cluster for validate: it checks every rule, and applies the
// configuration's exceptions to the findings. Each family of rules is a package. Each
// rule is a file with its text and its check; its fixtures are beside it in testdata. A
// rule never flags what works: if upstream tolerates something, so does the rule.
//
// Only this package imports the families. It must not know output formats, and knows a
// repository's programs only because its caller registers them.
package rules

import (
	"cmp"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/aws"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/crossplane"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/crossplane/packages"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/flux"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/flux/settings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/keda"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/keda/queues"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/pods"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/pods/scaling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/pods/traffic"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/references"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/sqs"
)

// All returns the rules in the order of their ids.
func All() []rule.Rule {
	all := slices.Concat(
		[]rule.Rule{unusedException, unknownWorkloads}, aws.Rules(), crossplane.Rules(), packages.Rules(), flux.Rules(), settings.Rules(),
		iam.Rules(), keda.Rules(), queues.Rules(), pods.Rules(), traffic.Rules(), scaling.Rules(), references.Rules(), schema.Rules(),
		sqs.Rules(),
	)
	slices.SortFunc(all, func(a, b rule.Rule) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Find returns the rule with an id.
func Find(id string) (rule.Rule, bool) {
	all := All()
	i := slices.IndexFunc(all, func(r rule.Rule) bool { return r.ID == id })
	if i < 0 {
		return rule.Rule{}, false
	}
	return all[i], true
}

// Successors returns the rules that replaced an id that is no longer used.
func Successors(id string) []string {
	return map[string][]string{"SQS006": {"POD010", "POD011", "POD012"}}[id]
}

// Check checks every rule on one cluster.
func Check(input rule.Input) []findings.Finding {
	var all []findings.Finding
	for _, r := range All() {
		all = append(all, r.Run(input)...)
	}
	return all
}
