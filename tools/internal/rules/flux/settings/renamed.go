package settings

import (
	"fmt"
	"path"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// RenamedNamespaces is rule FLX018.
var RenamedNamespaces = rule.Rule{
	ID: "FLX018", Severity: findings.Warning, Title: "Namespace that is renamed",
	Why: "targetNamespace, and namespace in a kustomization.yaml, also set the name of every Namespace in the build. The " +
		"Namespace in the file is not created. Flux owns the renamed one instead, and prunes it with everything in it when the " +
		"file is removed (https://github.com/fluxcd/flux2/issues/3949). It is an error if the new name is that of one of " +
		"Kubernetes' namespaces, or of the Kustomization's own. The rule ignores a base whose namespace an overlay sets anew.",
	Example: "spec:\n  targetNamespace: apps # and the path holds a Namespace monitoring",
	Fix:     "Move the Namespace to another Kustomization, or write the name that it gets.",
	Check:   checkRenamed,
}

func checkRenamed(r *rule.Pass) {
	said := map[render.Location]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		if k.Build == nil || k.Build.Err != nil {
			continue
		}
		for _, renamed := range renamedBy(k) {
			at := renamed.document.At(renamed.document.Root)
			if said[at] || !made(k, renamed.to) {
				continue
			}
			said[at] = true
			message := fmt.Sprintf("Namespace %s becomes %s by %s: Flux creates, owns and prunes the renamed one",
				renamed.document.Text("metadata", "name"), renamed.to, renamed.by)
			draft := r.ReportLine(k.Key().String(), at, message)
			if model.IsProvided(renamed.to) || renamed.to == k.Namespace {
				draft.Severe()
			}
			draft.Fix("move it to a Kustomization that sets no namespace, or give it that name")
		}
	}
}

// renamed is a Namespace that a build renames, and what renames it.
type renamed struct {
	document *origin.Document
	to, by   string
}

// renamedBy returns the Namespaces that targetNamespace renames, or the
// kustomization.yaml that lists their file itself.
func renamedBy(k *render.Applier) []renamed {
	var all []renamed
	for _, layer := range k.Build.Layers {
		to, by := layer.Namespace, layer.Name
		if k.Spec.TargetNamespace != "" {
			to, by = k.Spec.TargetNamespace, "targetNamespace of "+k.String()
		}
		for _, entry := range layer.Resources {
			f := k.Build.Read(path.Join(layer.Dir, entry))
			if f == nil || to == "" {
				continue
			}
			for _, d := range f.Documents {
				name := d.Text("metadata", "name")
				if d.Text("kind") == "Namespace" && d.Text("apiVersion") == "v1" && name != to && !strings.Contains(name+to, "$") {
					all = append(all, renamed{d, to, by})
				}
			}
		}
	}
	return all
}

// made reports whether a Kustomization applies a Namespace with a name.
func made(k *render.Applier, name string) bool {
	for _, o := range k.Objects {
		if o.GetKind() == "Namespace" && o.GetName() == name {
			return true
		}
	}
	return false
}
