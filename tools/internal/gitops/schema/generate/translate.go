package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

const (
	models     = "#/components/schemas/"
	objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	quantity   = "io.k8s.apimachinery.pkg.api.resource.Quantity"
	// The schema language cannot describe a schema within a schema. The contents of a
	// CustomResourceDefinition have a validator of their own.
	jsonSchema = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
)

// optional are fields that the documents call required, because their Go type has no
// omitempty, but that the API server accepts if absent: their zero value is valid, or it
// sets a default.
var optional = map[string][]string{
	"io.k8s.api.apps.v1.ControllerRevision":          {"revision"},
	"io.k8s.api.batch.v1.PodFailurePolicy":           {"rules"},
	"io.k8s.api.core.v1.HTTPHeader":                  {"value"},
	"io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"lun"},
	"io.k8s.api.core.v1.ISCSIVolumeSource":           {"lun"},
	"io.k8s.api.core.v1.LimitRangeSpec":              {"limits"},
	"io.k8s.api.core.v1.PreferredSchedulingTerm":     {"preference"},
	"io.k8s.api.core.v1.SleepAction":                 {"seconds"},
	"io.k8s.api.core.v1.Sysctl":                      {"value"},
	"io.k8s.api.discovery.v1.EndpointSlice":          {"endpoints"},
	"io.k8s.api.rbac.v1.RoleRef":                     {"apiGroup"},
	"io.k8s.api.scheduling.v1.PriorityClass":         {"value"},
	"io.k8s.api.storage.v1.CSIDriver":                {"spec"},
	"io.k8s.api.storage.v1.CSINodeSpec":              {"drivers"},
	"io.k8s.api.storage.v1.TokenRequest":             {"audience"},
	"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion": {"served", "storage"},
}

// kept are the keywords with the same meaning in a CustomResourceDefinition.
var kept = []string{"type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"}

// formats translates the documents' formats. A format that is not here adds nothing to
// the type.
var formats = map[any]string{
	"int32":     "int32",
	"byte":      definition.FormatBytes,
	"date-time": definition.FormatTime,
}

// translator translates the models of an OpenAPI document into the schema language of
// CustomResourceDefinitions, which has no references and no unions.
type translator struct {
	models map[string]map[string]any
	enums  enums
}

// modelOf returns the name of a kind's model.
func (t translator) modelOf(kind schema.GroupVersionKind) (string, error) {
	for name, model := range t.models {
		var kinds []schema.GroupVersionKind
		if convert(model["x-kubernetes-group-version-kind"], &kinds) == nil && len(kinds) == 1 && kinds[0] == kind {
			return name, nil
		}
	}
	return "", fmt.Errorf("no model says that it describes %s", kind)
}

// root translates the model of a kind without its metadata, which is the same for every
// kind and stored once.
func (t translator) root(model string) (json.RawMessage, error) {
	translated, err := t.model(model)
	if err != nil {
		return nil, err
	}
	if properties, ok := translated["properties"].(map[string]any); ok {
		properties["metadata"] = map[string]any{"type": "object"}
	}
	return json.Marshal(translated)
}

// metadata translates the part that root leaves out: an object that has only metadata.
func (t translator) metadata() (json.RawMessage, error) {
	translated, err := t.model(objectMeta)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"type": "object", "properties": map[string]any{"metadata": translated}})
}

func (t translator) model(name string) (map[string]any, error) {
	switch name {
	case quantity:
		return map[string]any{"format": definition.FormatQuantity}, nil
	case jsonSchema:
		return map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}, nil
	}
	model, found := t.models[name]
	if !found {
		return nil, fmt.Errorf("the document has no model %s", name)
	}
	translated, err := t.node(model)
	if err != nil {
		return nil, err
	}
	properties, _ := translated["properties"].(map[string]any)
	required := slices.DeleteFunc(stringsOf(model["required"]), func(field string) bool {
		return slices.Contains(optional[name], field)
	})
	if len(required) > 0 {
		translated["required"] = required
	}
	for property, values := range t.enums[name] {
		if !slices.Contains(required, property) {
			// An empty string counts as not set.
			values = append(slices.Clone(values), "")
		}
		limit(properties[property], values)
	}
	return translated, nil
}

// limit restricts a string, or the strings in a list or map, to an enumeration.
func limit(node any, values []string) {
	property, ok := node.(map[string]any)
	if !ok {
		return
	}
	if property["type"] == "string" {
		slices.Sort(values)
		property["enum"] = slices.Compact(values)
	}
	limit(property["items"], values)
	limit(property["additionalProperties"], values)
}

func (t translator) node(node map[string]any) (map[string]any, error) {
	if reference, ok := reference(node); ok {
		translated, err := t.model(strings.TrimPrefix(reference, models))
		return withDefault(translated, node), err
	}
	if node["format"] == "int-or-string" {
		return map[string]any{"x-kubernetes-int-or-string": true, "minimum": math.MinInt32, "maximum": math.MaxInt32}, nil
	}
	translated := map[string]any{}
	if format, ok := formats[node["format"]]; ok {
		translated["format"] = format
	}
	for _, keyword := range kept {
		if value, ok := node[keyword]; ok {
			translated[keyword] = value
		}
	}
	if properties, ok := node["properties"].(map[string]any); ok {
		into := map[string]any{}
		translated["properties"] = into
		for name, property := range properties {
			child, err := t.node(property.(map[string]any))
			if err != nil {
				return nil, err
			}
			into[name] = child
		}
	}
	for _, keyword := range []string{"items", "additionalProperties"} {
		if child, ok := node[keyword].(map[string]any); ok {
			into, err := t.node(child)
			if err != nil {
				return nil, err
			}
			translated[keyword] = into
		}
	}
	t.requireKeys(translated, node)
	allowNull(translated["items"])
	if open(translated) {
		translated["x-kubernetes-preserve-unknown-fields"] = true
	}
	return withDefault(translated, node), nil
}

// reference returns the model that a node refers to, directly or, beside other keywords,
// in allOf.
func reference(node map[string]any) (string, bool) {
	if all, ok := node["allOf"].([]any); ok && len(all) == 1 {
		node, _ = all[0].(map[string]any)
	}
	name, ok := node["$ref"].(string)
	return name, ok
}

// withDefault keeps a meaningful default. An empty one means only that the Go type is not
// a pointer, and would hide a missing field.
func withDefault(translated, node map[string]any) map[string]any {
	switch value := node["default"].(type) {
	case string:
		if value != "" {
			translated["default"] = value
		}
	case float64:
		if value != 0 {
			translated["default"] = value
		}
	}
	return translated
}

// requireKeys makes the keys of a list's items required: applying an object fails if a
// key is missing and has no default, not even an empty one.
func (t translator) requireKeys(translated, list map[string]any) {
	item, ok := translated["items"].(map[string]any)
	if !ok {
		return
	}
	model := t.resolve(list["items"])
	properties, _ := model["properties"].(map[string]any)
	for _, key := range stringsOf(list["x-kubernetes-list-map-keys"]) {
		property, _ := properties[key].(map[string]any)
		_, defaulted := property["default"]
		required := stringsOf(item["required"])
		if !defaulted && !slices.Contains(required, key) {
			item["required"] = append(required, key)
		}
	}
}

// allowNull treats null in a list of plain values as an empty value, as decoding into a
// Go slice does. Elsewhere null means that the field is not set.
func allowNull(item any) {
	if node, ok := item.(map[string]any); ok && node["type"] != "object" && node["type"] != "array" {
		node["nullable"] = true
	}
}

// resolve returns the model that a node refers to.
func (t translator) resolve(node any) map[string]any {
	object, _ := node.(map[string]any)
	if reference, ok := reference(object); ok {
		return t.models[strings.TrimPrefix(reference, models)]
	}
	return object
}

// open reports whether a node does not describe its content.
func open(node map[string]any) bool {
	_, properties := node["properties"]
	_, values := node["additionalProperties"]
	_, typed := node["type"]
	return !typed || node["type"] == "object" && !properties && !values
}

func stringsOf(value any) []string {
	var list []string
	_ = convert(value, &list) // anything but a list of strings has none
	return list
}

// convert converts a decoded JSON value to a Go value.
func convert(value, into any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
