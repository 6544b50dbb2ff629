package kustomize

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

// kustomizeMu: builds hold it for reading. Two things hold it for writing: a build that
// changes kustomize's OpenAPI schema, which is global, and Helm's templates, whose memory
// can only be measured for the whole process.
var kustomizeMu sync.RWMutex

// Alone prevents builds until unlock is called.
func Alone() (unlock func()) {
	kustomizeMu.Lock()
	return kustomizeMu.Unlock
}

// Run runs kustomize with the options of fluxcd/pkg/kustomize. That package parses the
// built-in OpenAPI schema again before each build, so that a kustomization's `openapi`
// field does not affect the next build. Here the schema is kept, unless the build sets
// that field.
func Run(files filesys.FileSystem, dir string, setsOpenAPI bool) (built resmap.ResMap, err error) {
	defer limits.Recover(&err)
	if setsOpenAPI {
		kustomizeMu.Lock()
		defer kustomizeMu.Unlock()
		openapi.ResetOpenAPI()
		defer openapi.ResetOpenAPI()
	} else {
		kustomizeMu.RLock()
		defer kustomizeMu.RUnlock()
	}
	_ = openapi.Schema()
	return krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(files, dir)
}

// Contents returns resources as JSON, the form that Flux uses.
func Contents(built resmap.ResMap) ([][]byte, error) {
	all := make([][]byte, 0, built.Size())
	for _, r := range built.Resources() {
		if r.GetName() == "" || r.GetKind() == "" || r.GetApiVersion() == "" {
			line, _, _ := strings.Cut(strings.TrimSpace(r.String()), "\n")
			return nil, fmt.Errorf("apiVersion, kind or name is missing in: %s", line)
		}
		data, err := Content(r)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", r.GetKind(), r.GetName(), err)
		}
		all = append(all, data)
	}
	return all, nil
}

// Parse returns the objects of a YAML stream as JSON. A duplicate object is an error.
func Parse(manifests []byte) (all [][]byte, err error) {
	defer limits.Recover(&err)
	built, err := resmap.NewFactory(resourceFactory()).NewResMapFromBytes(manifests)
	if err != nil {
		return nil, err
	}
	return Contents(built)
}

// NewResource returns an object in the form that kustomize and Flux's substitution need.
func NewResource(object map[string]any) (*resource.Resource, error) {
	return resourceFactory().FromMap(object)
}

func resourceFactory() *resource.Factory {
	return provider.NewDefaultDepProvider().GetResourceFactory()
}

// Content returns the result of a resource's MarshalJSON, but without its detour through
// YAML text.
func Content(r *resource.Resource) (data []byte, err error) {
	defer limits.Recover(&err)
	var value map[string]any
	if err := r.YNode().Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// Decode decodes a resource as Flux's ReadObjects does: a list becomes its items, and
// what is not a Kubernetes object is left out.
func Decode(data []byte) ([]*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	switch {
	case object.IsList():
		var items []*unstructured.Unstructured
		err := object.EachListItem(func(item runtime.Object) error {
			items = append(items, item.(*unstructured.Unstructured))
			return nil
		})
		return items, err
	case ssautil.IsKubernetesObject(object) && !ssautil.IsKustomization(object):
		return []*unstructured.Unstructured{object}, nil
	default:
		return nil, nil
	}
}
