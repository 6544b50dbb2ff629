package crossplane

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// transforms is a step of a Composition that runs function-patch-and-transform.
type transforms struct {
	composition
	// at is the field of the step's input.
	at    model.Field
	input map[string]any
}

// steps returns the steps of all Compositions that run function-patch-and-transform,
// recognized by the API of their input.
func steps(r *rule.Pass) []transforms {
	var all []transforms
	for _, c := range compositions(r) {
		for i, step := range c.Spec.Pipeline {
			if step.Input == nil {
				continue
			}
			t := transforms{composition: c, at: model.At(c.object, "spec", "pipeline", i, "input")}
			if err := json.Unmarshal(step.Input.Raw, &t.input); err != nil {
				continue // the schema says why
			}
			if version, _ := t.input["apiVersion"].(string); strings.HasPrefix(version, "pt.fn.crossplane.io/") {
				all = append(all, t)
			}
		}
	}
	return all
}

// template is a composed resource in a step: its base, and its patches with their fields.
type template struct {
	at   model.Field
	name string
	kind runtimeschema.GroupVersionKind
	body map[string]any
}

// templates returns the resources that the step composes.
func (t transforms) templates() []template {
	var all []template
	resources, _ := t.input["resources"].([]any)
	for i, entry := range resources {
		body, _ := entry.(map[string]any)
		name, _ := body["name"].(string)
		version, _, _ := unstructured.NestedString(body, "base", "apiVersion")
		kind, _, _ := unstructured.NestedString(body, "base", "kind")
		all = append(all, template{t.at.At("resources", i), name, runtimeschema.FromAPIVersionAndKind(version, kind), body})
	}
	return all
}

// patch is an entry of patches, and its field.
type patch struct {
	at   model.Field
	body map[string]any
}

func (p patch) text(name string) string { text, _ := p.body[name].(string); return text }

// patches returns the patches of a template, including those in the patch sets that it
// uses.
func (t transforms) patches(of template) []patch {
	var all []patch
	entries, _ := of.body["patches"].([]any)
	for i, entry := range entries {
		p := patch{at: of.at.At("patches", i)}
		p.body, _ = entry.(map[string]any)
		if p.text("type") == "PatchSet" {
			all = append(all, t.set(p.text("patchSetName"))...)
			continue
		}
		all = append(all, p)
	}
	return all
}

// set returns the patches in a patch set.
func (t transforms) set(name string) []patch {
	var all []patch
	sets, _ := t.input["patchSets"].([]any)
	for i, entry := range sets {
		set, _ := entry.(map[string]any)
		if set["name"] != name {
			continue
		}
		entries, _ := set["patches"].([]any)
		for j, entry := range entries {
			body, _ := entry.(map[string]any)
			all = append(all, patch{t.at.At("patchSets", i, "patches", j), body})
		}
	}
	return all
}
