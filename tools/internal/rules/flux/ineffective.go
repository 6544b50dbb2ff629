package flux

import (
	"fmt"
	"slices"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Ineffective is rule FLX010.
var Ineffective = rule.Rule{
	ID: "FLX010", Severity: findings.Warning, Title: "patch or image that applies to nothing",
	Why: "kustomize applies a patch to whatever its target selects, and an image entry to whatever runs the image. If that is " +
		"nothing, it reports no error, and the setting stays as in the base " +
		"(https://github.com/kubernetes-sigs/kustomize/issues/4379). A namespace that the kustomization itself or " +
		"targetNamespace sets is not set yet when its patches are applied (https://github.com/fluxcd/flux2/issues/4344).",
	Example: "patches:\n  - path: replicas.yaml\n    target:\n      kind: Deployment\n      name: consumr",
	Fix:     "Correct the kind and the name of the target, or remove the entry.",
	Check:   checkIneffective,
}

func checkIneffective(r *rule.Pass) {
	reported := map[render.Location]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		for _, entry := range idleEntries(k) {
			if reported[entry.at] {
				continue
			}
			reported[entry.at] = true
			message := fmt.Sprintf("no object of the build is a %s %s: the entry applies to nothing", entry.kind, entry.name)
			switch {
			case entry.kind == "image":
				message = fmt.Sprintf("nothing in the build runs image %s: the entry applies to nothing", entry.name)
			case entry.lacks != "":
				message = fmt.Sprintf("no %s %s of the build has %s when the patch is applied: the entry applies to nothing",
					entry.kind, entry.name, entry.lacks)
			}
			r.ReportLine(k.Key().String(), entry.at, message).
				Fix(rule.DidYouMean(entry.name, entry.names, "correct the kind or the name, or remove the entry"))
		}
	}
}

// idle is an entry of a kustomization that applies to nothing: kustomize ignores it
// silently.
type idle struct {
	at render.Location
	// kind is the target's kind, or image. name is the entry's target, and names are the
	// existing ones.
	kind, name string
	names      []string
	// lacks says what the objects with that name lack; empty if there are none.
	lacks string
}

// idleEntries returns the patches and images of a build that apply to nothing. Only
// patches with a named target count: a patch for all objects of a kind may well find
// none.
func idleEntries(k *render.Applier) []idle {
	if k.Build == nil || k.Build.Err != nil || len(k.Build.Remote) > 0 {
		return nil
	}
	made := materialOf(k.Build.Tree)
	if made.unknown {
		return nil
	}
	var all []idle
	layers := k.Build.LayerFiles()
	for i, l := range layers {
		// The layers within a layer follow it.
		makesObjects := func(l origin.LayerFile) bool { return k.Build.MakesObjects(l.Layer) }
		if l.Kind == types.ComponentKind || slices.ContainsFunc(layers[i:], makesObjects) {
			continue // several builds share it, or only kustomize knows
		}
		// Entries that the Kustomization adds to the outermost layer come after the
		// layer's own.
		at := func(list string, j int, field ...any) render.Location {
			if own := l.Length(list); i == 0 && j >= own {
				return k.Locate(append([]any{"spec", list, j - own}, field...)...)
			}
			return l.At(append([]any{list, j}, field...)...)
		}
		for j, p := range l.Patches {
			t := p.Target
			if t == nil || t.Name == "" && t.LabelSelector == "" {
				continue
			}
			if t.Name != "" && !made.has(t) {
				all = append(all, idle{at: at("patches", j, "target", made.wrong(t)), kind: t.Kind, name: t.Name, names: made.names[t.Kind]})
			} else if field, lacks := made.lacks(t, namespacesWithin(layers[i+1:])); lacks != "" {
				all = append(all, idle{at: at("patches", j, "target", field), kind: t.Kind, name: t.Name, lacks: lacks})
			}
		}
		for j, image := range l.Images {
			if !made.runs(image.Name) {
				all = append(all, idle{at: at("images", j, "name"), kind: "image", name: image.Name, names: made.images})
			}
		}
	}
	return all
}

// namespacesWithin returns the namespaces that inner layers set. They are set before the
// outer layer's patches apply; the outer layer's own namespace is set after them.
func namespacesWithin(layers []origin.LayerFile) []string {
	var all []string
	for _, l := range layers {
		if l.Namespace != "" {
			all = append(all, l.Namespace)
		}
	}
	return all
}
