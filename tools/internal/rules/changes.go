package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

func checkChanges(r *Run) {
	if r.Base == nil {
		return
	}
	for _, o := range r.Cluster.All() {
		if old := r.before(o); old != nil {
			r.checkImmutable(old, o)
		}
	}
	moved := map[string]bool{}
	for _, old := range r.Base.All() {
		now := r.Cluster.Same(old, old.Key())
		stays := slices.ContainsFunc(now, func(o *render.Object) bool { return o.Owner.Key() == old.Owner.Key() })
		switch {
		case stays || r.fate(old) != model.Deleted:
		case len(now) == 0:
			r.checkPruned(old)
		default:
			r.checkMoved(old, now[0], moved)
		}
	}
}

func (r *Run) fate(old *render.Object) model.Fate {
	fate, _ := r.Base.Fate(old, r.Cluster)
	return fate
}

// before is an object as the base revision has it, or nil. Of two owners' the
// same one counts.
func (r *Run) before(o *render.Object) *render.Object {
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

func (r *Run) checkPruned(old *render.Object) {
	loss := r.loss(old)
	if loss == "" {
		return
	}
	fix := fmt.Sprintf("keep it, or annotate it with %s: disabled and let Flux apply that before", model.PruneSwitch)
	message := fmt.Sprintf("%s is no longer declared (%s in the base revision): %s prunes it, and with it %s", old.Key(), old.Locate(), old.Owner, loss)
	if owner := r.Cluster.Applier(old.Owner.Key()); owner != nil && owner.Object != nil {
		r.reportAt(old.Key().String(), owner.Object.Locate("spec", "prune"), fix, "%s", message)
		return
	}
	// The line would be one of another revision.
	r.reportAt(old.Key().String(), render.Location{File: old.Locate().File}, fix, "%s", message)
}

// checkMoved names each object that takes others or data with it, and of the
// rest that moves along the first one.
func (r *Run) checkMoved(old, now *render.Object, moved map[string]bool) {
	if previous := r.Cluster.Applier(old.Owner.Key()); previous != nil && r.Cluster.Precedes(now.Owner, previous) {
		return // the labels of the new owner keep the old one off
	}
	fix := fmt.Sprintf("let Flux apply prune: false of %s before, or the annotation %s: disabled", old.Owner, model.PruneSwitch)
	if loss := r.loss(old); loss != "" {
		r.report(on(now, "metadata", "name"), fix, "%s moves from %s to %s: the old one prunes it if it is first, and with it %s", now.Key(), old.Owner, now.Owner, loss)
		return
	}
	if way := old.Owner.String() + now.Owner.String(); !moved[way] {
		moved[way] = true
		r.warn(on(now, "metadata", "name"), fix, "objects move from %s to %s, %s among them: the old one prunes them if it is first, and the new one creates them anew", old.Owner, now.Owner, now.Key())
	}
}

// loss is what goes with an object of the base that is deleted; empty if all of
// it comes back with the manifest.
func (r *Run) loss(o *render.Object) string {
	kind := o.GroupVersionKind()
	switch {
	case kind.Group == "" && kind.Kind == "Namespace":
		return "all that is in it"
	case kind.Group == "" && kind.Kind == "PersistentVolumeClaim":
		return "its data, unless its volume is retained"
	case kind.Kind == "CustomResourceDefinition", kind.Group == crossplaneGroup && kind.Kind == "CompositeResourceDefinition":
		return "every object of its kind"
	case isManaged(o):
		service, _, _ := strings.Cut(kind.Group, ".")
		if _, deletes := deletion(o); deletes && (service == "sqs" && kind.Kind == "Queue" || service == "s3" && kind.Kind == "Bucket") {
			return "what it holds"
		}
	case r.composedInBase(kind.Group, kind.Kind) && (strings.HasSuffix(kind.Kind, "Queue") || strings.HasSuffix(kind.Kind, "Bucket")):
		return "what it is composed of, and what that holds"
	}
	return ""
}

// composedInBase tells whether a kind is that of composite resources.
func (r *Run) composedInBase(group, kind string) bool {
	return slices.ContainsFunc((&Run{Input: Input{Cluster: r.Base}}).definitions(), func(xrd definition) bool {
		return xrd.group == group && (xrd.kind == kind || xrd.claim == kind)
	})
}
