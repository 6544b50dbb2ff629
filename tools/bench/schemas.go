//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// archive has validate's built-in definitions.
const archive = "tools/internal/gitops/schema/schemas.zip"

// schemaFile is where kubeconform looks for a kind. For the core group the version is
// also the group's name.
const schemaFile = "{{.Group}}/{{.ResourceAPIVersion}}/{{.ResourceKind}}.json"

// writeSchemas writes an archive's definitions in kubeconform's form.
func writeSchemas(archive, into string) error {
	packed, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	definitions, err := definition.Open(packed)
	if err != nil {
		return err
	}
	for _, kind := range definitions.Kinds() {
		read, err := definitions.Read(kind)
		if err != nil {
			return err
		}
		data, err := jsonSchema(read.Schema)
		if err != nil {
			return fmt.Errorf("schema of %s: %w", kind, err)
		}
		file := filepath.Join(into, cmp.Or(kind.Group, kind.Version), kind.Version, strings.ToLower(kind.Kind)+".json")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// jsonSchema translates a definition with Kubernetes' extensions into JSON Schema:
// unknown fields are rejected, and a value may be null or have two types.
func jsonSchema(definition []byte) ([]byte, error) {
	var schema map[string]any
	if err := json.Unmarshal(definition, &schema); err != nil {
		return nil, err
	}
	translate(schema)
	if properties, ok := schema["properties"].(map[string]any); ok {
		// Definitions may omit the fields that every object has.
		all := map[string]any{"apiVersion": true, "kind": true, "metadata": true}
		maps.Copy(all, properties)
		schema["properties"] = all
	}
	return json.Marshal(schema)
}

func translate(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	for _, property := range properties {
		translateAny(property)
	}
	translateAny(schema["items"])
	translateAny(schema["additionalProperties"])
	open := schema["additionalProperties"] != nil || schema["x-kubernetes-preserve-unknown-fields"] == true
	if properties != nil && !open {
		schema["additionalProperties"] = false
	}
	switch {
	case schema["format"] == definition.FormatQuantity:
		schema["type"] = []any{"number", "string"}
	case schema["x-kubernetes-int-or-string"] == true:
		schema["type"] = []any{"integer", "string"}
	}
	if kind, ok := schema["type"].(string); ok && schema["nullable"] == true {
		schema["type"] = []any{kind, "null"}
	}
}

// translateAny translates a schema; true and false are also schemas.
func translateAny(schema any) {
	if schema, ok := schema.(map[string]any); ok {
		translate(schema)
	}
}
