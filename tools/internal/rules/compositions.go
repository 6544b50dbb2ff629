package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	apiextensionsv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// composition is a Composition, as far as it can be read.
type composition struct {
	apiextensionsv1.Composition
	object *render.Object
}

func (r *Run) compositions() []composition {
	var all []composition
	for _, o := range r.Cluster.Of(crossplaneGroup, "Composition") {
		c := composition{object: o}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &c.Composition); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// group and version of the composite resource.
func (c composition) target() (group, version string) {
	group, version, _ = strings.Cut(c.Spec.CompositeTypeRef.APIVersion, "/")
	return group, version
}

// composes tells whether it is a composition of an XRD's kind on the same API
// server.
func (c composition) composes(d definition) bool {
	group, _ := c.target()
	return group == d.group && c.Spec.CompositeTypeRef.Kind == d.kind && model.Target(c.object) == model.Target(d.object)
}

func checkCompositions(r *Run) {
	// What a Configuration installs is in its package.
	if r.unrendered() || len(r.Cluster.Of("pkg.crossplane.io", "Configuration")) > 0 {
		return
	}
	for _, c := range r.compositions() {
		r.checkCompositeType(c)
		for i, step := range c.Spec.Pipeline {
			if r.Cluster.Find(c.object, "pkg.crossplane.io", "Function", "", step.FunctionRef.Name) != nil {
				continue
			}
			r.report(on(c.object, "spec", "pipeline", i, "functionRef", "name"), r.suggestFunction(step.FunctionRef.Name),
				"step %s of %s runs function %s, which the cluster does not install", step.Step, c.object.Key(), step.FunctionRef.Name)
		}
	}
}

// suggestFunction knows that a function is often called by its package.
func (r *Run) suggestFunction(name string) string {
	var names []string
	for _, function := range r.Cluster.Of("pkg.crossplane.io", "Function") {
		source, _, _ := unstructured.NestedString(function.Object, "spec", "package")
		if repository, _ := splitImage(source); path.Base(repository) == name {
			return fmt.Sprintf("the Function that installs it is called %s", function.GetName())
		}
		names = append(names, function.GetName())
	}
	return didYouMean(name, names, "install it with a Function object of that name")
}

func (r *Run) checkCompositeType(c composition) {
	group, version := c.target()
	definitions := r.definitions()
	i := slices.IndexFunc(definitions, c.composes)
	if i < 0 {
		var kinds []string
		for _, d := range definitions {
			kinds = append(kinds, d.kind)
		}
		r.report(on(c.object, "spec", "compositeTypeRef", "kind"), didYouMean(c.Spec.CompositeTypeRef.Kind, kinds, "apply the CompositeResourceDefinition"),
			"%s composes %s.%s, which no XRD defines", c.object.Key(), c.Spec.CompositeTypeRef.Kind, group)
		return
	}
	var usable []string
	for _, v := range definitions[i].versions {
		name, _ := v["name"].(string)
		served, _ := v["served"].(bool)
		if referenceable, _ := v["referenceable"].(bool); served && referenceable {
			usable = append(usable, name)
		}
	}
	if !slices.Contains(usable, version) {
		r.report(on(c.object, "spec", "compositeTypeRef", "apiVersion"), fmt.Sprintf("write %s/%s", group, strings.Join(usable, " or ")),
			"%s composes version %s of %s, which its XRD does not serve to compositions", c.object.Key(), version, c.Spec.CompositeTypeRef.Kind)
	}
}

func checkUnreadFields(r *Run) {
	if r.unrendered() {
		return
	}
	for _, d := range r.definitions() {
		read, known := r.reads(d)
		if !known {
			continue
		}
		for i, version := range d.versions {
			if referenceable, _ := version["referenceable"].(bool); !referenceable {
				continue
			}
			schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", "spec")
			for _, leaf := range leaves(schema, []string{"spec"}) {
				if !slices.Contains(machinery, leaf[1]) && !slices.ContainsFunc(read, func(field []string) bool { return overlap(field, leaf) }) {
					r.report(on(d.object, schemaField(i, leaf)...), "patch from it in a composition, or remove it", "no composition of %s reads %s", d.kind, strings.Join(leaf, "."))
				}
			}
		}
	}
}

// machinery are the fields that Crossplane itself reads.
var machinery = []string{
	"crossplane", "claimRef", "compositionRef", "compositionSelector", "compositionRevisionRef", "compositionRevisionSelector",
	"compositionUpdatePolicy", "environmentConfigRefs", "publishConnectionDetailsTo", "resourceRefs", "resourceRef", "writeConnectionSecretToRef",
}

// reads are the fields of a composite resource that its compositions read;
// known is false when they run a function of which that cannot be said, or when
// there are none.
func (r *Run) reads(d definition) (paths [][]string, known bool) {
	for _, c := range r.compositions() {
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
			case input == nil && r.isAutoReady(c, step.FunctionRef.Name):
			default:
				return nil, false
			}
		}
	}
	return paths, known
}

func (r *Run) isAutoReady(c composition, name string) bool {
	source := name
	if function := r.Cluster.Find(c.object, "pkg.crossplane.io", "Function", "", name); function != nil {
		source, _, _ = unstructured.NestedString(function.Object, "spec", "package")
	}
	return strings.Contains(source, "function-auto-ready")
}

// sourcePaths are the values of every fromFieldPath, whatever kind of patch it
// belongs to.
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

// segments are a field path's names up to its first bracket: an index or a
// quoted name. Whoever reads an element is taken to read the whole list.
func segments(fieldPath string) []string {
	names, _, _ := strings.Cut(fieldPath, "[")
	return strings.Split(strings.TrimSuffix(names, "."), ".")
}

// leaves are the fields of a schema that have no properties of their own, in
// the order of their names.
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

// overlap tells whether reading one path reads some of the other.
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
