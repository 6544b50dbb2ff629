package flux

import (
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Owners is rule FLX006.
var Owners = rule.Rule{
	ID: "FLX006", Severity: findings.Error, Title: "object with two owners",
	Why: "Two Kustomizations that apply one object overwrite each other at every interval, and when one of them drops " +
		"it, it is pruned under the other (https://github.com/fluxcd/flux2/issues/5611).",
	Example: "# both ./apps/a and ./apps/b hold it\nkind: Namespace\nmetadata:\n  name: apps",
	Fix:     "Keep it in one Kustomization and let the other depend on that one.",
	Check:   checkOwners,
}

func checkOwners(r *rule.Pass) {
	seen := map[string]bool{}
	for _, o := range r.Cluster.All() {
		same := r.Cluster.Same(o, o.Key())
		if len(same) < 2 || same[0] == o || same[0].Owner == o.Owner || shares(o) || shares(same[0]) {
			continue
		}
		if once := o.Key().String() + o.Owner.String(); !seen[once] {
			seen[once] = true
			r.Report(model.At(o, "metadata", "name"), "%s is applied by %s and by %s", o.Key(), same[0].Owner, o.Owner).
				Fix(fmt.Sprintf("keep it where %s has it (%s) and let %s depend on that", same[0].Owner, same[0].Locate("metadata", "name"), o.Owner))
		}
	}
}

// shares reports whether an object may have more than one owner: a chart's
// definition that is left alone where there is one, or one that says so itself,
// https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
func shares(o *render.Object) bool {
	if o.Bundled && o.Owner.Release.GetInstall().CRDs != helmv2.CreateReplace {
		return true
	}
	switch strings.ToLower(o.GetAnnotations()[model.ApplySwitch]) {
	case "merge", "ifnotpresent", "ignore":
		return true
	}
	return o.GetAnnotations()[model.ReconcileSwitch] == kustomizev1.DisabledValue
}
