package crossplane

import (
	"fmt"
	"strings"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Paths is rule XP011.
var Paths = rule.Rule{
	ID: "XP011", Severity: findings.Error, Title: "patch from or to a field that does not exist",
	Why: "function-patch-and-transform silently skips a patch whose source has no value, and the API server refuses or drops a " +
		"field that the kind does not have (https://github.com/crossplane/crossplane/issues/2301): the setting never arrives, " +
		"or the status stays empty. The rule looks up the paths in the composite resource's definition and in the schema of " +
		"the composed kind.",
	Example: "patches:\n  - fromFieldPath: spec.regoin # the definition has region\n    toFieldPath: spec.forProvider.region",
	Fix:     "Correct the path, or add the field to the definition.",
	Check:   checkPaths,
}

func checkPaths(r *rule.Pass) {
	for _, step := range steps(r) {
		xr := runtimeschema.FromAPIVersionAndKind(step.Spec.CompositeTypeRef.APIVersion, step.Spec.CompositeTypeRef.Kind)
		said := map[string]bool{} // several templates may use a set
		for _, t := range step.templates() {
			for _, p := range step.patches(t) {
				checkPatch(r, p, xr, t.kind, said)
			}
		}
	}
}

// checkPatch checks both ends of a patch against the schemas of their kinds.
func checkPatch(r *rule.Pass, p patch, xr, composed runtimeschema.GroupVersionKind, said map[string]bool) {
	kind := p.text("type")
	if kind == "" {
		kind = "FromCompositeFieldPath"
	}
	from, to := xr, composed
	switch kind {
	case "ToCompositeFieldPath", "CombineToComposite":
		from, to = composed, xr
	case "FromCompositeFieldPath", "CombineFromComposite":
	case "FromEnvironmentFieldPath", "CombineFromEnvironment":
		from = runtimeschema.GroupVersionKind{}
	case "ToEnvironmentFieldPath", "CombineToEnvironment":
		from, to = composed, runtimeschema.GroupVersionKind{}
	default:
		return
	}
	target := p.text("toFieldPath")
	if source := p.text("fromFieldPath"); source != "" {
		checkPath(r, p.at.At("fromFieldPath"), from, source, said)
		if target == "" {
			checkPath(r, p.at.At("fromFieldPath"), to, source, said)
		}
	}
	for i, variable := range variablesOf(p) {
		checkPath(r, p.at.At("combine", "variables", i, "fromFieldPath"), from, variable, said)
	}
	if target != "" {
		checkPath(r, p.at.At("toFieldPath"), to, target, said)
	}
}

// variablesOf returns the paths that a patch combines.
func variablesOf(p patch) []string {
	combine, _ := p.body["combine"].(map[string]any)
	variables, _ := combine["variables"].([]any)
	var paths []string
	for _, entry := range variables {
		variable, _ := entry.(map[string]any)
		path, _ := variable["fromFieldPath"].(string)
		paths = append(paths, path)
	}
	return paths
}

func checkPath(r *rule.Pass, at model.Field, kind runtimeschema.GroupVersionKind, path string, said map[string]bool) {
	schema, _ := r.Cluster.SchemaBeside(at.Object, kind)
	segments, err := fieldpath.Parse(path)
	once := fmt.Sprint(at.Path, kind)
	if schema == nil || err != nil || path == "" || said[once] {
		return
	}
	said[once] = true
	var steps []any
	for _, segment := range segments {
		if segment.Type == fieldpath.SegmentIndex {
			steps = append(steps, int(segment.Index))
		} else {
			steps = append(steps, segment.Field)
		}
	}
	depth, fields, lacks := schema.Lacks(steps)
	if !lacks {
		return
	}
	missing := fmt.Sprint(steps[depth])
	around := strings.TrimSuffix(segments[:depth].String(), ".")
	if around != "" {
		around += " of "
	}
	severity, note := r.Pinned(at.Object, schema.Source())
	r.ReportAs(severity, at, "%s%s has no field %s: the patch with %s does nothing%s", around, kind.Kind, missing, path, note).
		Fix(rule.DidYouMean(missing, fields, "correct the path, or add the field to the schema"))
}
