package flux

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Ineffective is rule FLX010.
var Ineffective = rule.Rule{
	ID: "FLX010", Severity: findings.Warning, Title: "patch or image that applies to nothing",
	Why: "kustomize applies a patch to whatever its target selects and an image entry to whatever runs the image, and " +
		"takes it for done when that is nothing: the setting it was written for stays what the base says " +
		"(https://github.com/kubernetes-sigs/kustomize/issues/4379).",
	Example: "patches:\n  - path: replicas.yaml\n    target:\n      kind: Deployment\n      name: consumr",
	Fix:     "Correct kind and name of the target, or remove the entry.",
	Check:   checkIneffective,
}

func checkIneffective(r *rule.Pass) {
	reported := map[render.Location]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		for _, entry := range k.Idle() {
			if reported[entry.At] {
				continue
			}
			reported[entry.At] = true
			message := fmt.Sprintf("no object of the build is a %s %s: the entry applies to nothing", entry.Kind, entry.Name)
			if entry.Kind == "image" {
				message = fmt.Sprintf("nothing in the build runs image %s: the entry applies to nothing", entry.Name)
			}
			r.ReportLine(k.Key().String(), entry.At, message).
				Fix(rule.DidYouMean(entry.Name, entry.Names, "correct the kind or the name, or remove the entry"))
		}
	}
}
