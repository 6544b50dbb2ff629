package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// A variable whose value is made outside of the repository stays in the text of its
// object. What follows from such a field is unknown.

// decisive are the fields of a Kustomization or a HelmRelease that decide what it
// applies, from where, to where, and after what.
var decisive = [][]string{
	{"spec", "path"},
	{"spec", "sourceRef"},
	{"spec", "components"},
	{"spec", "dependsOn"},
	{"spec", "kubeConfig"},
	{"spec", "postBuild", "substituteFrom"},
	{"spec", "chart", "spec", "chart"},
	{"spec", "chart", "spec", "version"},
	{"spec", "chart", "spec", "sourceRef"},
	{"spec", "chart", "spec", "valuesFiles"},
	{"spec", "chartRef"},
	{"spec", "valuesFrom"},
	// The types of these fields are not strings.
	{"spec", "force"},
	{"spec", "install"},
	{"spec", "interval"},
	{"spec", "prune"},
	{"spec", "suspend"},
	{"spec", "timeout"},
	{"spec", "upgrade"},
	{"spec", "wait"},
}

// added are the fields of a Kustomization that its own substitution reaches, because they
// become part of its objects.
var added = [][]string{{"spec", "targetNamespace"}, {"spec", "namePrefix"}, {"spec", "nameSuffix"}}

// Open reports whether a field of the object contains a variable whose value is made
// outside of the repository. The field is a string, or the labels or annotations.
func (o *Object) Open(field ...any) bool {
	if o.Owner == nil || !o.Owner.outside {
		return false
	}
	value := origin.ValueAt(o.Object, field)
	_, isText := value.(string)
	named := len(field) > 0 && (field[len(field)-1] == "labels" || field[len(field)-1] == "annotations")
	_, _, found := variableIn(value)
	return found && (isText || named)
}

// skipOpen skips a Kustomization or a HelmRelease with such a variable in a decisive
// field.
func (w *walk) skipOpen(object *Object) bool {
	if !object.Owner.outside {
		return false
	}
	at, text, found := variableAmong(object, slices.Concat(decisive, added))
	if found {
		w.skip(object, fmt.Sprintf("its %s is %s, and that is made outside of the repository", fieldName(at), text), at...)
	}
	return found
}

// noteOpenName records an unknown part for an object whose name only the cluster knows,
// if Flux's objects may refer to it by name.
func (w *walk) noteOpenName(object *Object) {
	key := object.Key()
	named := key.GroupKind == kustomizationKind || key.GroupKind == helmReleaseKind || key.Group == sourcev1.GroupVersion.Group ||
		key.GroupKind == (schema.GroupKind{Kind: "Namespace"})
	for _, field := range []string{"name", "namespace"} {
		if named && object.Open("metadata", field) {
			u := unknown(object, fmt.Sprintf("its %s is made outside of the repository", field), "metadata", field)
			u.Hides = HidesSurroundings
			w.cluster.Unknowns = append(w.cluster.Unknowns, u)
			return
		}
	}
}

// variableAmong returns the first of some fields of an object that contains a variable.
func variableAmong(object *Object, fields [][]string) (at []any, text string, found bool) {
	for _, field := range fields {
		value, _, _ := unstructured.NestedFieldNoCopy(object.Object, field...)
		if at, text, found = variableIn(value); found {
			path := make([]any, 0, len(field)+len(at))
			for _, element := range field {
				path = append(path, element)
			}
			return append(path, at...), text, true
		}
	}
	return nil, "", false
}

// variableIn returns the first string in a value that contains a variable, and its field.
func variableIn(value any) (at []any, text string, found bool) {
	switch value := value.(type) {
	case string:
		return nil, value, strings.Contains(value, "${")
	case []any:
		for i, item := range value {
			if at, text, found = variableIn(item); found {
				return append([]any{i}, at...), text, true
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if at, text, found = variableIn(value[key]); found {
				return append([]any{key}, at...), text, true
			}
		}
	}
	return nil, "", false
}

// openValues returns the variables of a Kustomization whose values contain such a
// variable, so that they are unknown, too.
func (w *walk) openValues(k *Applier, values map[string]string) []string {
	open := k.Object != nil && k.Object.Owner.outside
	for _, reference := range k.Spec.PostBuild.SubstituteFrom {
		object := w.cluster.index[variablesKey(k, reference)]
		open = open || object != nil && object.Owner.outside
	}
	var names []string
	for name, value := range values {
		if open && strings.Contains(value, "${") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isSubstituted reports whether a folder's objects show that their variables are
// substituted: Flux could not use a field of a Flux object as it is, or a Kustomization
// passes a variable on as the value of a variable.
func isSubstituted(objects []*Object) bool {
	return slices.ContainsFunc(objects, func(o *Object) bool {
		kind := o.Key().GroupKind
		if kind != kustomizationKind && kind != helmReleaseKind {
			return false
		}
		fields := append(slices.Clone(decisive), []string{"spec", "postBuild", "substitute"})
		if _, substitutes, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "postBuild"); !substitutes {
			fields = append(fields, added...)
		}
		_, _, found := variableAmong(o, fields)
		return found
	})
}

// fieldName returns a field in the usual notation, such as spec.dependsOn[0].name.
func fieldName(field []any) string {
	var name strings.Builder
	for _, element := range field {
		if i, isIndex := element.(int); isIndex {
			fmt.Fprintf(&name, "[%d]", i)
			continue
		}
		if name.Len() > 0 {
			name.WriteByte('.')
		}
		fmt.Fprint(&name, element)
	}
	return name.String()
}
