// Package crossplane_test compares the platform API with the definitions of provider-aws
// and of Crossplane itself: what an API server would reject fails here.
package crossplane_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xcrd"
	xpv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// definition is one version of a CustomResourceDefinition, in the forms that an API
// server uses.
type definition struct {
	schema    *structural.Structural
	validator validation.SchemaValidator
	cel       *cel.Validator
}

func compile(crd *apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	version := crd.Spec.Versions[len(crd.Spec.Versions)-1]
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		return nil, err
	}
	schema, err := structural.NewStructural(&internal)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		return nil, err
	}
	return &definition{schema: schema, validator: validator, cel: cel.NewValidator(schema, true, celconfig.PerCallLimit)}, nil
}

// decode decodes YAML or JSON as an API server does: whole numbers are int64.
func decode(data []byte) (*unstructured.Unstructured, error) {
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(asJSON)
}

// admit does what an API server does to an object on create, or on update of old: it sets
// defaults in place, and returns every reason to reject it.
func (d *definition) admit(object, old *unstructured.Unstructured) field.ErrorList {
	var refused field.ErrorList
	root := field.NewPath(object.GetKind())
	unknown := pruning.PruneWithOptions(object.Object, d.schema, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		refused = append(refused, field.Invalid(root, path, "unknown field"))
	}
	defaulting.Default(object.Object, d.schema)
	refused = append(refused, validation.ValidateCustomResource(nil, object.Object, d.validator)...)
	refused = append(refused, listtype.ValidateListSetsAndMaps(nil, d.schema, object.Object)...)
	var before map[string]any
	if old != nil {
		before = old.Object
	}
	broken, _ := d.cel.Validate(context.Background(), nil, d.schema, object.Object, before, celconfig.RuntimeCELCostBudget)
	return append(refused, broken...)
}

// api is one kind of composite resource.
type api struct {
	plural string
	xrd    *xpv1.CompositeResourceDefinition
	*definition
}

// apis returns the definitions of crossplane/apis, by plural.
var apis = sync.OnceValues(func() (map[string]*api, error) {
	files, err := filepath.Glob("apis/*/definition.yaml")
	if err != nil {
		return nil, err
	}
	found := map[string]*api{}
	for _, file := range files {
		xrd := &xpv1.CompositeResourceDefinition{}
		if err := readYAML(file, xrd); err != nil {
			return nil, err
		}
		crd, err := xcrd.ForCompositeResource(xrd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		compiled, err := compile(crd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		plural := filepath.Base(filepath.Dir(file))
		found[plural] = &api{plural: plural, xrd: xrd, definition: compiled}
	}
	return found, nil
})

func allAPIs(t testing.TB) map[string]*api {
	t.Helper()
	found, err := apis()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// admitComposed returns the problems of a composed resource by the definition of the
// provider or of Crossplane.
func admitComposed(t testing.TB, object *unstructured.Unstructured) field.ErrorList {
	t.Helper()
	data, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	sent, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return definitionOf(t, object).admit(sent, nil)
}

// definitionOf returns the definition of a composed resource's kind.
func definitionOf(t testing.TB, object *unstructured.Unstructured) *definition {
	t.Helper()
	kind := object.GroupVersionKind().GroupKind().String()
	compiled, _ := composedDefinitions.LoadOrStore(kind, sync.OnceValues(func() (*definition, error) {
		return upstream(object.GroupVersionKind().Group, object.GetKind())
	}))
	definition, err := compiled.(func() (*definition, error))()
	if err != nil {
		t.Fatal(err)
	}
	return definition
}

var composedDefinitions sync.Map // results of sync.OnceValues, by kind

// engines are the pinned modules with the definitions for a suffix of API groups.
var engines = []struct{ suffix, engine, module, folder string }{
	{".aws.m.upbound.io", "provider-aws", "github.com/upbound/provider-aws/v2", "package/crds"},
	{".crossplane.io", "crossplane", "github.com/crossplane/crossplane/v2", "cluster/crds"},
}

// upstream returns the compiled definition of a kind from the pinned module.
func upstream(group, kind string) (*definition, error) {
	for _, e := range engines {
		if !strings.HasSuffix(group, e.suffix) {
			continue
		}
		root, err := moduleFolder(e.engine, e.module)
		if err != nil {
			return nil, err
		}
		files, err := filepath.Glob(filepath.Join(root, e.folder, group+"_"+strings.ToLower(kind)[:3]+"*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			if err := readYAML(file, crd); err != nil {
				return nil, err
			}
			if crd.Spec.Names.Kind == kind {
				return compile(crd)
			}
		}
	}
	return nil, fmt.Errorf("no pinned module defines %s of %s", kind, group)
}

var moduleFolders sync.Map // results of sync.OnceValues, by module

// moduleFolder returns the folder of a module in the module cache, at an engine's pin.
func moduleFolder(engine, module string) (string, error) {
	once, _ := moduleFolders.LoadOrStore(module, sync.OnceValues(func() (string, error) {
		command := exec.Command("go", "mod", "download", "-json", module)
		command.Dir = filepath.Join("..", "tools", "engines", engine)
		out, err := command.Output()
		if err != nil {
			return "", fmt.Errorf("download %s: %w: %s", module, err, out)
		}
		var downloaded struct{ Dir string }
		return downloaded.Dir, json.Unmarshal(out, &downloaded)
	}))
	return once.(func() (string, error))()
}

func readYAML(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
