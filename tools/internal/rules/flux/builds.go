package flux

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Builds is rule FLX009.
var Builds = rule.Rule{
	ID: "FLX009", Severity: findings.Error, Title: "Kustomization or HelmRelease that does not build",
	Why: "kustomize-controller builds the path with kustomize before it applies anything, and helm-controller renders the " +
		"chart's templates first. If either fails, nothing is applied.",
	Example: "resources:\n  - deploymnt.yaml # no such file",
	Fix:     "Correct the file that the message names; `kustomize build` or `helm template` shows the same error.",
	Check:   checkBuilds,
}

func checkBuilds(r *rule.Pass) { r.ReportFailures(render.BuildFailed, render.InvalidSpec) }
