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

// A variable whose value is made outside of the repository stays in the text of the
// object that it is in. What follows from such a field is unknown.

// decisive are the fields of a Kustomization or a HelmRelease that say what it applies,
// from where, to which place and after what.
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
	// Their types have no text.
	{"spec", "force"},
	{"spec", "install"},
	{"spec", "interval"},
	{"spec", "prune"},
	{"spec", "suspend"},
	{"spec", "timeout"},
	{"spec", "upgrade"},
	{"spec", "wait"},
}

// added are those of a Kustomization's fields that its own substitution reaches: they
// become a part of what it applies.
var added = [][]string{{"spec", "targetNamespace"}, {"spec", "namePrefix"}, {"spec", "nameSuffix"}}

// Open reports whether a field of the object holds a variable whose value is made
// outside of the repository: a text, or the labels or annotations.
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

// skipOpen leaves out a Kustomization or a HelmRelease of which a decisive field holds
// such a variable.
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

// noteOpenName adds that an object which others of Flux name, by a name that only the
// cluster knows, may be any of them.
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

// variableAmong is the first of some fields of an object that holds a variable.
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

// variableIn is the first text of a value that holds a variable, and where.
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

// openValues are the variables of a Kustomization whose values are made outside of
// the repository, because what says them holds such a variable itself.
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

// isSubstituted reports whether what a folder holds shows that somebody substitutes
// its variables: a field of a Flux object is one that Flux could not take as it stands,
// or a Kustomization is given a variable as the value of a variable.
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

// fieldName is a field as people write it, such as spec.dependsOn[0].name.
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
