package helm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

// checkValues validates values with the schemas of a chart and its dependencies. Helm's
// own check fetches schemas that a schema refers to; here these accept everything.
func checkValues(c *helmchart.Chart, values map[string]any, path []any) (at []any, err error) {
	if len(c.Schema) > 0 {
		if at, err := checkSchema(c.Schema, values); err != nil {
			return append(path, at...), fmt.Errorf("the values do not meet %s/values.schema.json: %w", c.ChartFullPath(), err)
		}
	}
	for _, dependency := range c.Dependencies() {
		if nested, ok := values[dependency.Name()].(common.Values); ok {
			values[dependency.Name()] = nested.AsMap()
		}
		if nested, ok := values[dependency.Name()].(map[string]any); ok {
			if at, err := checkValues(dependency, nested, append(path, dependency.Name())); err != nil {
				return at, err
			}
		}
	}
	return nil, nil
}

func checkSchema(text []byte, values map[string]any) (at []any, err error) {
	const name = "values.schema.json"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(admitAll{})
	if err := compiler.AddResource("file:///"+name, document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile("file:///" + name)
	if err != nil {
		return nil, err
	}
	err = compiled.Validate(values)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil, err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	for _, element := range invalid.InstanceLocation {
		if index, err := strconv.Atoi(element); err == nil {
			at = append(at, index)
		} else {
			at = append(at, element)
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(invalid.Error()), "\n")
	return at, errors.New(line)
}

// admitAll replaces schemas that would have to be fetched.
type admitAll struct{}

// Load returns a schema that accepts everything.
func (admitAll) Load(string) (any, error) { return true, nil }
