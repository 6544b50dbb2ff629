package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// operatorKinds are the kinds of Flux Operator that alerts and receivers may name in
// clusters that it installs: it adds them to the enums of Flux's own definitions.
// https://fluxoperator.dev/docs/crd/fluxinstance/
var operatorKinds = []string{"FluxInstance", "ResourceSet", "ResourceSetInputProvider"}

// withOperatorKinds returns a reader whose definitions also allow what Flux Operator's
// allow: what is valid with one installer must not be an error.
func withOperatorKinds(read reader) reader {
	return func(ctx context.Context, pinned pins.Pins, module string) ([]definition.Definition, error) {
		definitions, err := read(ctx, pinned, module)
		if err != nil {
			return nil, err
		}
		lists := map[string]string{"Alert": "eventSources", "Receiver": "resources"}
		for i, d := range definitions {
			list, named := lists[d.Kind]
			if !named {
				continue
			}
			if definitions[i].Schema, err = addKinds(d.Schema, list); err != nil {
				return nil, fmt.Errorf("%s: %w", d.GroupVersionKind, err)
			}
		}
		return definitions, nil
	}
}

// addKinds adds the operator's kinds to those that a list's items may have.
func addKinds(schema json.RawMessage, list string) (json.RawMessage, error) {
	var root apiextensions.JSONSchemaProps
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil, err
	}
	items := root.Properties["spec"].Properties[list].Items
	if items == nil || items.Schema == nil || len(items.Schema.Properties["kind"].Enum) == 0 {
		return nil, fmt.Errorf("spec.%s[].kind has no enum: look what became of it", list)
	}
	kind := items.Schema.Properties["kind"]
	for _, name := range operatorKinds {
		value := apiextensions.JSON{Raw: fmt.Appendf(nil, "%q", name)}
		if !slices.ContainsFunc(kind.Enum, func(known apiextensions.JSON) bool { return string(known.Raw) == string(value.Raw) }) {
			kind.Enum = append(kind.Enum, value)
		}
	}
	items.Schema.Properties["kind"] = kind
	return json.Marshal(root)
}
