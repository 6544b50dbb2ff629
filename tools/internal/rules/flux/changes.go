package flux

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Changes is rule FLX008.
var Changes = rule.Rule{
	ID: "FLX008", Severity: findings.Error, Title: "change that fails or destroys existing objects", Base: true,
	Why: "Both states may be valid while the change from one to the other is not. The API server refuses a new value of an " +
		"immutable field, and with it the whole Kustomization (https://github.com/fluxcd/flux2/issues/2386). Flux prunes what " +
		"is no longer declared: a namespace with everything in it, a definition with every object of its kind, a queue with " +
		"its messages (https://github.com/fluxcd/flux2/issues/3949). If an object moves to another Kustomization, or its " +
		"Kustomization is renamed, it is pruned and created anew if the old Kustomization is reconciled first " +
		"(https://github.com/fluxcd/flux2/issues/3316, https://github.com/fluxcd/kustomize-controller/issues/339).",
	Example: "# the base revision says app: shop, and the Deployment runs\n" +
		"kind: Deployment\nspec:\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: shop",
	Fix: "Keep the value, or go in two steps: first annotate the object with kustomize.toolkit.fluxcd.io/prune: disabled and " +
		"let Flux apply that, then remove or move it. If the object is meant to go, accept the finding in the configuration, " +
		"with the reason.",
	Check: checkChanges,
}

func checkChanges(r *rule.Pass) {
	if r.Base == nil {
		return
	}
	for _, o := range r.Cluster.All() {
		if old := before(r, o); old != nil {
			checkImmutable(r, old, o)
		}
	}
	moved := map[string]bool{}
	for _, old := range r.Base.All() {
		now := r.Cluster.Same(old, old.Key())
		stays := slices.ContainsFunc(now, func(o *render.Object) bool { return o.Owner.Key() == old.Owner.Key() })
		switch fate, _ := r.Base.Fate(old, r.Cluster); {
		case stays || fate != model.Deleted:
		case len(now) == 0:
			checkPruned(r, old)
		default:
			checkMoved(r, old, now[0], moved)
		}
	}
}

// before returns an object in the base revision, or nil. If it has two owners, the object
// of the same owner counts.
func before(r *rule.Pass, o *render.Object) *render.Object {
	found := r.Base.Same(o, o.Key())
	for _, old := range found {
		if old.Owner.Key() == o.Owner.Key() {
			return old
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func checkPruned(r *rule.Pass, old *render.Object) {
	lost := loss(r, old)
	if lost == "" {
		return
	}
	fix := fmt.Sprintf("keep it, or annotate it with %s: disabled and let Flux apply that first", model.PruneSwitch)
	message := fmt.Sprintf("%s is no longer declared (%s in the base revision): %s prunes it, and with it %s",
		old.Key(), old.Locate(), old.Owner, lost)
	if owner := r.Cluster.Applier(old.Owner.Key()); owner != nil && owner.Object != nil {
		r.ReportLine(old.Key().String(), owner.Object.Locate("spec", "prune"), message).Fix(fix)
		return
	}
	// A line would belong to another revision.
	r.ReportLine(old.Key().String(), render.Location{File: old.Locate().File}, message).Fix(fix)
}

// checkMoved reports each object whose move deletes others or data, and the first of the
// other moved objects.
func checkMoved(r *rule.Pass, old, now *render.Object, moved map[string]bool) {
	if previous := r.Cluster.Applier(old.Owner.Key()); previous != nil && r.Cluster.Precedes(now.Owner, previous) {
		return // the new owner's labels keep the old owner from pruning it
	}
	fix := fmt.Sprintf("first let Flux apply prune: false of %s, or the annotation %s: disabled", old.Owner, model.PruneSwitch)
	if lost := loss(r, old); lost != "" {
		r.Report(model.At(now, "metadata", "name"),
			"%s moves from %s to %s: if the old one is reconciled first, it prunes it, and with it %s", now.Key(), old.Owner, now.Owner, lost).
			Fix(fix)
		return
	}
	if way := old.Owner.String() + now.Owner.String(); !moved[way] {
		moved[way] = true
		r.Warn(model.At(now, "metadata", "name"),
			"objects move from %s to %s, %s among them: if the old one is reconciled first, it prunes them, and the new one creates them anew",
			old.Owner, now.Owner, now.Key()).
			Fix(fix)
	}
}

// loss says what is lost if an object in the base is deleted; empty if the manifest
// restores all of it.
func loss(r *rule.Pass, o *render.Object) string {
	kind := o.GroupVersionKind()
	switch {
	case kind.Group == "" && kind.Kind == "Namespace":
		return "everything in it"
	case kind.Group == "" && kind.Kind == "PersistentVolumeClaim":
		return "its data, unless its volume is retained"
	case kind.Kind == "CustomResourceDefinition", kind.Group == model.CrossplaneGroup && kind.Kind == "CompositeResourceDefinition":
		return "every object of its kind"
	case model.IsManaged(o):
		service, _, _ := strings.Cut(kind.Group, ".")
		holds := service == "sqs" && kind.Kind == "Queue" || service == "s3" && kind.Kind == "Bucket"
		if _, deletes := model.DeletesExternal(o); deletes && holds {
			return "what it holds"
		}
	case composedInBase(r, kind.Group, kind.Kind) && (strings.HasSuffix(kind.Kind, "Queue") || strings.HasSuffix(kind.Kind, "Bucket")):
		return "what it is composed of, and what that holds"
	}
	return ""
}

// composedInBase reports whether a kind is a composite resource in the base revision.
func composedInBase(r *rule.Pass, group, kind string) bool {
	return slices.ContainsFunc(r.Base.Definitions(), func(xrd model.Definition) bool {
		return xrd.Group == group && (xrd.Kind == kind || xrd.Claim == kind)
	})
}
