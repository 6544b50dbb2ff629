package crossplane

import (
	"maps"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Inputs is rule XP012.
var Inputs = rule.Rule{
	ID: "XP012", Severity: findings.Error, Title: "input that the function does not read",
	Why: "Crossplane passes a step's input to the function, and no API server compares it with a schema " +
		"(https://github.com/crossplane/crossplane/issues/5861). The function ignores a misspelt field, and fails at every run " +
		"on an unknown type of patch. The rule judges function-patch-and-transform.",
	Example: "input:\n  apiVersion: pt.fn.crossplane.io/v1beta1\n  kind: Resources\n  resource: [] # resources",
	Fix:     "Write the field as in the function's documentation.",
	Check:   checkInputs,
}

// The fields and types in an input of function-patch-and-transform:
// https://github.com/crossplane-contrib/function-patch-and-transform
var (
	inputFields    = []string{"apiVersion", "kind", "metadata", "patchSets", "environment", "resources"}
	templateFields = []string{"name", "base", "patches", "connectionDetails", "readinessChecks"}
	setFields      = []string{"name", "patches"}
	patchFields    = []string{"type", "fromFieldPath", "toFieldPath", "combine", "patchSetName", "transforms", "policy"}
	transformTypes = []string{"map", "match", "math", "string", "convert"}
	patchTypes     = []string{
		"FromCompositeFieldPath", "ToCompositeFieldPath", "CombineFromComposite", "CombineToComposite", "PatchSet",
		"FromEnvironmentFieldPath", "ToEnvironmentFieldPath", "CombineFromEnvironment", "CombineToEnvironment",
	}
)

func checkInputs(r *rule.Pass) {
	for _, step := range steps(r) {
		checkFields(r, step.at, step.input, inputFields)
		sets := map[string]bool{}
		entries, _ := step.input["patchSets"].([]any)
		for i, entry := range entries {
			set, _ := entry.(map[string]any)
			name, _ := set["name"].(string)
			sets[name] = true
			checkFields(r, step.at.At("patchSets", i), set, setFields)
			checkPatches(r, step.at.At("patchSets", i), set, nil)
		}
		for _, t := range step.templates() {
			checkFields(r, t.at, t.body, templateFields)
			checkPatches(r, t.at, t.body, sets)
		}
	}
}

func checkFields(r *rule.Pass, at model.Field, content map[string]any, known []string) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if !slices.Contains(known, name) {
			r.Report(at.At(name), "function-patch-and-transform reads no field %s here", name).
				Fix(rule.DidYouMean(name, known, "remove it"))
		}
	}
}

func checkPatches(r *rule.Pass, at model.Field, content map[string]any, sets map[string]bool) {
	entries, _ := content["patches"].([]any)
	for i, entry := range entries {
		p := patch{at: at.At("patches", i)}
		p.body, _ = entry.(map[string]any)
		checkFields(r, p.at, p.body, patchFields)
		kind := p.text("type")
		if kind != "" && !slices.Contains(patchTypes, kind) {
			r.Report(p.at.At("type"), "there is no type of patch %q: the function fails", kind).
				Fix(rule.DidYouMean(kind, patchTypes, "name one of function-patch-and-transform's"))
		}
		if name := p.text("patchSetName"); kind == "PatchSet" && sets != nil && !sets[name] {
			r.Report(p.at.At("patchSetName"), "the input has no patch set %s: the function fails", name).
				Fix(rule.DidYouMean(name, slices.Sorted(maps.Keys(sets)), "add it to patchSets"))
		}
		checkTransforms(r, p)
	}
}

func checkTransforms(r *rule.Pass, p patch) {
	entries, _ := p.body["transforms"].([]any)
	for i, entry := range entries {
		transform, _ := entry.(map[string]any)
		kind, _ := transform["type"].(string)
		if kind != "" && !slices.Contains(transformTypes, kind) {
			r.Report(p.at.At("transforms", i, "type"), "there is no type of transform %q: the function fails", kind).
				Fix(rule.DidYouMean(kind, transformTypes, "name one of function-patch-and-transform's"))
		}
	}
}
