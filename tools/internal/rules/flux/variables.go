package flux

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Variables is rule FLX003.
var Variables = rule.Rule{
	ID: "FLX003", Severity: findings.Error, Title: "variable without value",
	Why: "Since Flux 2.9 substitution is strict: a variable with neither value nor default fails the build of the whole " +
		"Kustomization. Shell scripts in ConfigMaps are substituted too. Where the cluster says that its Flux is older, or " +
		"that the feature gate StrictPostBuildSubstitutions is off, it is a warning: the variable becomes empty.",
	Example: "env:\n  - name: AWS_REGION\n    value: ${AWS_REGIN}",
	Fix:     "Give it a value in what the Kustomization substitutes from, a default (${NAME:=default}), or escape it ($${NAME}).",
	Check:   checkVariables,
}

func checkVariables(r *rule.Pass) {
	r.ReportFailures(render.VariableMissing)
	for _, emptied := range r.Cluster.Emptied {
		r.WarnLine(emptied.Applier.Key().String(), emptied.At, emptied.Message).Fix(emptied.Fix)
	}
}
