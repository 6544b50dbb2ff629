package flux

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Unlisted is rule FLX011.
var Unlisted = rule.Rule{
	ID: "FLX011", Severity: findings.Warning, Title: "manifest that no kustomization lists",
	Why: "In a folder with a kustomization.yaml only the files that it lists are applied. A forgotten NetworkPolicy or " +
		"disruption budget looks as if it were in force (https://github.com/kubernetes-sigs/kustomize/issues/5928).",
	Example: "# networkpolicy.yaml is in the same folder\nresources:\n  - deployment.yaml",
	Fix: "List the file, under patches if it changes an object that is applied; or delete it; or name it in a comment of the " +
		"kustomization.yaml that says why it is not applied.",
	Check: checkUnlisted,
}

// checkUnlisted reports the manifests of the repository that no build loads. One that any
// YAML file names, even in a comment, is left out on purpose.
func checkUnlisted(r *rule.Pass) {
	reported := map[string]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		if k.Build == nil || k.Build.Err != nil || k.Build.Source.Name != "" {
			continue
		}
		for _, l := range k.Build.LayerFiles() {
			if !l.Declared() {
				continue // Flux loads all files
			}
			for _, file := range unlistedFiles(k.Build.Tree, l.Layer) {
				object := firstObject(k.Build.Tree, file)
				if object == nil || reported[object.File.Name] || k.Build.Mentioned(file) {
					continue
				}
				kind := schema.FromAPIVersionAndKind(object.Text("apiVersion"), object.Text("kind"))
				if _, known := r.Cluster.Catalog.Lookup(kind); !known {
					continue
				}
				reported[object.File.Name] = true
				message, fix := "%s is not listed: %s %s is not applied", "list it under resources, or delete it"
				if isApplied(r, kind.GroupKind(), object) {
					message, fix = "%s is not listed: %s %s is applied without its changes", "list it under patches, or delete it"
				}
				r.ReportLine(k.Key().String(), l.At("resources"),
					fmt.Sprintf(message, object.File.Name, kind.Kind, object.Text("metadata", "name"))).Fix(fix)
			}
		}
	}
}

// isApplied reports whether the cluster has the object that a document patches or copies:
// as a listed resource it would be a duplicate.
func isApplied(r *rule.Pass, kind schema.GroupKind, d *origin.Document) bool {
	namespace, name := d.Text("metadata", "namespace"), d.Text("metadata", "name")
	return slices.ContainsFunc(r.Cluster.Of(kind.Group, kind.Kind), func(o *render.Object) bool {
		return o.GetName() == name && (namespace == "" || o.GetNamespace() == namespace)
	})
}

// example matches the name of a manifest that is meant to be copied.
var example = regexp.MustCompile(`(?i)example|sample|template`)

// unlistedFiles returns the YAML files in a layer's folder that it does not load.
func unlistedFiles(t *origin.Tree, l origin.Layer) []string {
	entries, err := os.ReadDir(filepath.Join(t.Source.Dir, filepath.FromSlash(l.Dir)))
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		name := path.Join(l.Dir, entry.Name())
		loads := func(file string) bool { return path.Join(l.Dir, file) == name }
		if !entry.IsDir() && origin.IsManifest(name) && name != l.File && !example.MatchString(entry.Name()) &&
			!slices.ContainsFunc(origin.Loaded(l.Kustomization), loads) {
			names = append(names, name)
		}
	}
	return names
}

// firstObject returns the first document of a file if it is a Kubernetes object.
func firstObject(t *origin.Tree, file string) *origin.Document {
	f := t.Read(file)
	if f == nil || len(f.Documents) == 0 {
		return nil
	}
	d := f.Documents[0]
	if d.Text("kind") == "" || d.Text("metadata", "name") == "" ||
		d.Text("metadata", "annotations", "config.kubernetes.io/local-config") == "true" {
		return nil
	}
	return d
}
