package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/chartutil"
	"github.com/go-logr/logr"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// values composes the values of a HelmRelease with helm-controller's own code,
// out of rendered ConfigMaps and Secrets. One that is not rendered is made outside
// of the repository, and an encrypted Secret says nothing.
func (w *walk) values(ctx context.Context, k *Applier) (map[string]any, error) {
	from := k.Release.Spec.ValuesFrom
	for i, reference := range from {
		key := valuesKey(k, reference)
		missing := w.cluster.index[key] == nil && !reference.Optional
		switch {
		case missing && reference.Kind != "Secret":
			w.outside = append(w.outside, Outside{By: k, Key: key, At: k.locate("spec", "valuesFrom", i, "name")})
			fallthrough
		case missing:
			return nil, unresolved{fmt.Sprintf("its values come from %s, which is made outside of the repository", key)}
		case reference.Kind == "Secret" && reference.TargetPath == "":
			var secret corev1.Secret
			err := rendered{cluster: w.cluster}.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, &secret)
			if err == nil && string(secret.Data[reference.GetValuesKey()]) == Encrypted {
				return nil, unresolved{fmt.Sprintf("its values come from %s, which is encrypted", key)}
			}
		}
	}
	values, err := chartutil.ChartValuesFromReferences(ctx, logr.Discard(), rendered{cluster: w.cluster}, k.Namespace, k.Release.GetValues(), from...)
	if err != nil {
		return nil, newRefusal(InvalidSpec, k.locate("spec", "valuesFrom"), k.Name, "correct valuesFrom, or the object that it names", "%v", err)
	}
	return values, nil
}

func valuesKey(k *Applier, reference helmv2.ValuesReference) Key {
	return Key{schema.GroupKind{Kind: reference.Kind}, k.Namespace, reference.Name}
}

// checkValues holds values against the schema of a chart and of those it
// depends on. Helm's own check fetches what a schema refers to, here that
// admits everything.
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
	return at, errors.New(firstLine(invalid.Error()))
}

// admitAll stands for schemas that are elsewhere.
type admitAll struct{}

// Load is the schema of everything.
func (admitAll) Load(string) (any, error) { return true, nil }
