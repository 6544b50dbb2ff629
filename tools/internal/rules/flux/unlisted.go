package flux

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Unlisted is rule FLX011.
var Unlisted = rule.Rule{
	ID: "FLX011", Severity: findings.Warning, Title: "manifest that no kustomization lists",
	Why: "Beside a kustomization.yaml a file counts only when that lists it: a NetworkPolicy or a budget that was forgotten " +
		"there looks as if it were in force (https://github.com/kubernetes-sigs/kustomize/issues/5928).",
	Example: "# networkpolicy.yaml is in the same folder\nresources:\n  - deployment.yaml",
	Fix:     "List it, delete it, or name it in a comment of the kustomization.yaml that says why it is not applied.",
	Check:   checkUnlisted,
}

func checkUnlisted(r *rule.Pass) {
	reported := map[string]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		for _, unlisted := range k.Unlisted() {
			if _, known := r.Cluster.Catalog.Lookup(unlisted.Kind); reported[unlisted.File] || !known {
				continue
			}
			reported[unlisted.File] = true
			r.ReportLine(k.Key().String(), unlisted.At,
				fmt.Sprintf("%s is not listed: %s %s is not applied", unlisted.File, unlisted.Kind.Kind, unlisted.Name)).
				Fix("list it under resources, or delete it")
		}
	}
}
