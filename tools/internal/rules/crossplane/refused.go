package crossplane

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Refused is rule XP005.
var Refused = rule.Rule{
	ID: "XP005", Severity: findings.Error, Title: "composite resource that its function refuses",
	Why: "A fatal result of a composition function stops the composite resource: Crossplane changes nothing and retries " +
		"forever (https://docs.crossplane.io/latest/guides/write-a-composition-function-in-go/). The rule judges pipelines " +
		"whose functions validate can run itself.",
	Example: "kind: EventQueue\nmetadata:\n  name: orders-dlq # the name of another queue's dead-letter queue",
	Fix:     "Correct the field that the function's message names.",
	Check:   checkComposed,
}

func checkComposed(r *rule.Pass) {
	for _, failure := range r.Cluster.Failures(render.CompositionFailed) {
		r.ReportLine(failure.Subject, failure.At, failure.Message).Fix(failure.Fix)
	}
}
