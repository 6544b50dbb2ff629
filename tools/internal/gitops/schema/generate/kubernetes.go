package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// document is the OpenAPI v3 document of one group and version.
type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
}

// operation is one verb on one path of a document.
type operation struct {
	Action string                  `json:"x-kubernetes-action"`
	Kind   schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
}

// kubernetes reads every kind that can be applied, which is every kind that can be
// patched, and ObjectMeta, which they share.
func kubernetes(tree string) ([]definition.Definition, error) {
	enums, err := readEnums(filepath.Join(tree, "pkg/generated/openapi/zz_generated.openapi.go"))
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(tree, "api/openapi-spec/v3/api*__v*_openapi.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no OpenAPI v3 documents in api/openapi-spec/v3 of %s", tree)
	}
	var found []definition.Definition
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var doc document
		if err := json.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		definitions, err := doc.definitions(enums)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		found = append(found, definitions...)
	}
	return found, nil
}

func (d document) definitions(enums enums) ([]definition.Definition, error) {
	translate := translator{d.Components.Schemas, enums}
	found := map[string]definition.Definition{}
	for url, verbs := range d.Paths {
		patch, ok := verbs["patch"]
		if !ok || path.Base(url) != "{name}" {
			continue
		}
		var op operation
		if err := json.Unmarshal(patch, &op); err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
		name, err := translate.modelOf(op.Kind)
		if err != nil {
			return nil, err
		}
		root, err := translate.root(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		_, status := d.Paths[url+"/status"]
		found[op.Kind.Kind] = definition.Definition{
			GroupVersionKind: op.Kind,
			Namespaced:       strings.Contains(url, "/{namespace}/"),
			Status:           status,
			Schema:           root,
		}
	}
	if _, core := d.Paths["/api/v1/namespaces/{name}"]; core {
		data, err := translate.metadata()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", objectMeta, err)
		}
		found["ObjectMeta"] = definition.Definition{GroupVersionKind: definition.ObjectMeta, Schema: data}
	}
	return slices.Collect(maps.Values(found)), nil
}
