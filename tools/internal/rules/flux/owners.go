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
	Why: "Two Kustomizations that apply the same object overwrite each other at every interval. When one of them drops it, " +
		"Flux prunes it although the other still declares it (https://github.com/fluxcd/flux2/issues/5611).",
	Example: "# both ./apps/a and ./apps/b hold it\nkind: Namespace\nmetadata:\n  name: apps",
	Fix: "Keep it in one Kustomization and let the other depend on that one. If both read the same file, one of them includes " +
		"a folder too many.",
	Check: checkOwners,
}

func checkOwners(r *rule.Pass) {
	seen, readers := map[string]bool{}, map[overlap][]*render.Object{}
	var overlaps []overlap
	for _, o := range r.Cluster.All() {
		same := r.Cluster.Same(o, o.Key())
		if len(same) < 2 || same[0] == o || same[0].Owner == o.Owner || shares(o) || shares(same[0]) {
			continue
		}
		if of := (overlap{same[0].Owner, o.Owner}); of.reads(same[0], o) {
			if readers[of] == nil {
				overlaps = append(overlaps, of)
			}
			readers[of] = append(readers[of], o)
			continue
		}
		if once := o.Key().String() + o.Owner.String(); !seen[once] {
			seen[once] = true
			r.Report(model.At(o, "metadata", "name"), "%s is applied by %s and by %s", o.Key(), same[0].Owner, o.Owner).
				Fix(fmt.Sprintf("keep it in %s (%s) and let %s depend on that one", same[0].Owner, same[0].Locate("metadata", "name"), o.Owner))
		}
	}
	for _, of := range overlaps {
		of.report(r, readers[of])
	}
}

// overlap is two Kustomizations that read the same files.
type overlap struct{ first, second *render.Applier }

// reads reports whether two objects are the same manifest, which both Kustomizations
// read.
func (of overlap) reads(a, b *render.Object) bool {
	return of.first.Release == nil && of.second.Release == nil && of.second.Object != nil && a.Locate() == b.Locate()
}

func (of overlap) report(r *rule.Pass, objects []*render.Object) {
	also := ""
	if more := len(objects) - 1; more > 0 {
		also = fmt.Sprintf(" (and %d more of the same files)", more)
	}
	r.Report(model.At(of.second.Object, "spec", "path"), "%s is applied by %s and by %s%s", objects[0].Key(), of.first, of.second, also).
		Fix(fmt.Sprintf("exclude the folder of %s from one of them, or remove %s", objects[0].Locate().File, of.second))
}

// shares reports whether an object may have more than one owner: a chart's definition,
// which Helm does not replace, or an object that allows it itself,
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
