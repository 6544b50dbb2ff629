package crossplane

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// UnreadFields is rule XP002.
var UnreadFields = rule.Rule{
	ID: "XP002", Severity: findings.Error, Title: "field of a composite resource that nothing reads",
	Why: "The API server accepts the field, but it changes nothing: function-patch-and-transform silently skips a patch whose " +
		"fromFieldPath has no value (https://github.com/crossplane-contrib/function-patch-and-transform/pull/81). The rule " +
		"judges kinds whose compositions use only that function and function-auto-ready, because only a run shows what another " +
		"function reads.",
	Example: "# no patch has fromFieldPath: spec.retentionSeconds\nproperties:\n  retentionSeconds:\n    type: integer",
	Fix:     "Patch from it in a composition, or remove it from the schema.",
	Check:   checkUnreadFields,
}

func checkUnreadFields(r *rule.Pass) {
	for _, d := range r.Cluster.Definitions() {
		read, known := reads(r, d)
		if !known || !r.Cluster.Complete(model.CrossplaneObjects.For(d.Object)) {
			continue
		}
		for i, version := range d.Versions {
			if referenceable, _ := version["referenceable"].(bool); !referenceable {
				continue
			}
			schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", "spec")
			for _, leaf := range leaves(schema, []string{"spec"}) {
				used := slices.ContainsFunc(read, func(field []string) bool { return overlap(field, leaf) })
				if !used && !slices.Contains(machinery, leaf[1]) {
					r.Report(model.At(d.Object, schemaField(i, leaf)...),
						"no composition of %s reads %s", d.Kind, strings.Join(leaf, ".")).
						Fix("patch from it in a composition, or remove it")
				}
			}
		}
	}
}

// machinery are the fields that Crossplane itself reads.
var machinery = []string{
	"crossplane", "claimRef", "compositionRef", "compositionSelector", "compositionRevisionRef", "compositionRevisionSelector",
	"compositionUpdatePolicy", "environmentConfigRefs", "publishConnectionDetailsTo", "resourceRefs", "resourceRef",
	"writeConnectionSecretToRef",
}

// reads returns the fields of a composite resource that its Compositions read. known is
// false if they run a function whose reads are unknown, or if there are no Compositions.
func reads(r *rule.Pass, d model.Definition) (paths [][]string, known bool) {
	for _, c := range compositions(r) {
		if !c.composes(d) {
			continue
		}
		known = true
		for _, step := range c.Spec.Pipeline {
			var input map[string]any
			if step.Input != nil {
				if err := json.Unmarshal(step.Input.Raw, &input); err != nil {
					return nil, false
				}
			}
			version, _ := input["apiVersion"].(string)
			switch {
			case strings.HasPrefix(version, "pt.fn.crossplane.io/"):
				paths = append(paths, sourcePaths(input)...)
			case input == nil && isAutoReady(r, c, step.FunctionRef.Name):
			default:
				return nil, false
			}
		}
	}
	return paths, known
}

func isAutoReady(r *rule.Pass, c composition, name string) bool {
	source := name
	if function := r.Cluster.Find(c.object, "pkg.crossplane.io", "Function", "", name); function != nil {
		source, _, _ = unstructured.NestedString(function.Object, "spec", "package")
	}
	return strings.Contains(source, "function-auto-ready")
}

// sourcePaths returns the values of all fromFieldPath fields, in any type of patch.
func sourcePaths(value any) [][]string {
	var paths [][]string
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if text, ok := value[key].(string); ok && key == "fromFieldPath" {
				paths = append(paths, segments(text))
			}
			paths = append(paths, sourcePaths(value[key])...)
		}
	case []any:
		for _, entry := range value {
			paths = append(paths, sourcePaths(entry)...)
		}
	}
	return paths
}

// segments returns the names in a field path up to its first bracket, an index or a
// quoted name: a reader of one element counts as a reader of the whole list.
func segments(fieldPath string) []string {
	names, _, _ := strings.Cut(fieldPath, "[")
	return strings.Split(strings.TrimSuffix(names, "."), ".")
}

// leaves returns the fields of a schema that have no properties of their own, sorted by
// name.
func leaves(schema map[string]any, parent []string) [][]string {
	properties, _ := schema["properties"].(map[string]any)
	var all [][]string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := properties[name].(map[string]any)
		field := append(slices.Clone(parent), name)
		if nested, _ := property["properties"].(map[string]any); len(nested) > 0 {
			all = append(all, leaves(property, field)...)
		} else {
			all = append(all, field)
		}
	}
	return all
}

// overlap reports whether reading one path reads a part of the other.
func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

func schemaField(version int, leaf []string) []any {
	field := []any{"spec", "versions", version, "schema", "openAPIV3Schema"}
	for _, name := range leaf {
		field = append(field, "properties", name)
	}
	return field
}
