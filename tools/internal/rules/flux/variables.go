package flux

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Variables is rule FLX003.
var Variables = rule.Rule{
	ID: "FLX003", Severity: findings.Error, Title: "variable without a value",
	Why: "Since Flux 2.9 substitution is strict: a variable with neither a value nor a default fails the build of the whole " +
		"Kustomization. Variables in shell scripts in ConfigMaps count too. If the cluster's Flux is older, or its feature " +
		"gate StrictPostBuildSubstitutions is off, the variable becomes empty, which is a warning.",
	Example: "env:\n  - name: AWS_REGION\n    value: ${AWS_REGIN}",
	Fix: "Give the variable a value where the Kustomization substitutes from, or a default (${NAME:=default}), or escape it " +
		"($${NAME}).",
	Check: checkVariables,
}

func checkVariables(r *rule.Pass) {
	r.ReportFailures(render.VariableMissing)
	for _, emptied := range r.Cluster.Emptied {
		r.WarnLine(emptied.Applier.Key().String(), emptied.At, emptied.Message).Fix(emptied.Fix)
	}
}
