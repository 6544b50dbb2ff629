package schema

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/schema/definition"
)

//go:embed schemas.zip
var packed []byte

// Catalog is a set of kinds. It does not change, and is safe for concurrent use.
type Catalog struct {
	below *Catalog // hidden where this layer has the same group and kind
	kinds map[schema.GroupKind]map[string]*Schema
	// metadata is the schema of every kind's metadata.
	metadata *Schema
}

var builtin = sync.OnceValue(func() *Catalog {
	archive, err := definition.Open(packed)
	if err != nil {
		panic(fmt.Errorf("%w: run go generate ./tools/internal/schema", err))
	}
	catalog := &Catalog{kinds: map[schema.GroupKind]map[string]*Schema{}, metadata: &Schema{
		kind: definition.ObjectMeta,
		read: func() (definition.Definition, error) { return archive.Read(definition.ObjectMeta) },
	}}
	for _, kind := range archive.Kinds() {
		if kind == definition.ObjectMeta {
			continue
		}
		catalog.add(kind, &Schema{
			source: archive.SourceOf(kind).String(),
			read:   func() (definition.Definition, error) { return archive.Read(kind) },
		})
	}
	return catalog
})

// Builtin is the catalog of the pinned modules. A schema costs nothing until
// its kind is looked up and used.
func Builtin() *Catalog { return builtin() }

// With is the catalog with the kinds that the objects among these declare:
// CustomResourceDefinitions and CompositeResourceDefinitions. Others, and those
// that no API server would take, declare nothing.
func (c *Catalog) With(objects []*unstructured.Unstructured) *Catalog {
	var all []declared
	for _, object := range objects {
		definitions, err := definition.FromObject(object)
		if err != nil {
			continue
		}
		all = append(all, declared{fmt.Sprintf("%s %s", object.GetKind(), object.GetName()), definitions})
	}
	return c.layer(all)
}

// declared are the definitions of one source.
type declared struct {
	source      string
	definitions []definition.Definition
}

func (c *Catalog) layer(all []declared) *Catalog {
	if len(all) == 0 {
		return c
	}
	catalog := &Catalog{below: c, kinds: map[schema.GroupKind]map[string]*Schema{}, metadata: c.metadata}
	for _, one := range all {
		for _, d := range one.definitions {
			catalog.add(d.GroupVersionKind, &Schema{
				source: one.source,
				read:   func() (definition.Definition, error) { return d, nil },
			})
		}
	}
	return catalog
}

func (c *Catalog) add(kind schema.GroupVersionKind, s *Schema) {
	versions := c.kinds[kind.GroupKind()]
	if versions == nil {
		versions = map[string]*Schema{}
		c.kinds[kind.GroupKind()] = versions
	}
	s.kind, s.metadata = kind, c.metadata
	versions[kind.Version] = s
}

// Lookup finds the schema of one version of a kind.
func (c *Catalog) Lookup(kind schema.GroupVersionKind) (*Schema, bool) {
	found, ok := c.versions(kind.GroupKind())[kind.Version]
	return found, ok
}

// Versions are the versions of a kind that an API server serves, sorted; none
// if it does not know the kind.
func (c *Catalog) Versions(kind schema.GroupKind) []string {
	return slices.Sorted(maps.Keys(c.versions(kind)))
}

// Kinds are the kinds of a group, sorted.
func (c *Catalog) Kinds(group string) []string {
	found := map[string]bool{}
	for layer := c; layer != nil; layer = layer.below {
		for kind := range layer.kinds {
			if kind.Group == group {
				found[kind.Kind] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Groups are the groups that have a kind of this name, sorted.
func (c *Catalog) Groups(kind string) []string {
	found := map[string]bool{}
	for layer := c; layer != nil; layer = layer.below {
		for known := range layer.kinds {
			if known.Kind == kind {
				found[known.Group] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// All are the versions of all kinds, in no order.
func (c *Catalog) All() []schema.GroupVersionKind {
	var all []schema.GroupVersionKind
	seen := map[schema.GroupKind]bool{}
	for layer := c; layer != nil; layer = layer.below {
		for kind, versions := range layer.kinds {
			if !seen[kind] {
				seen[kind] = true
				for version := range versions {
					all = append(all, kind.WithVersion(version))
				}
			}
		}
	}
	return all
}

// versions are those of the topmost layer that has the kind: one definition of a
// resource lists all of its versions.
func (c *Catalog) versions(kind schema.GroupKind) map[string]*Schema {
	for layer := c; layer != nil; layer = layer.below {
		if versions, ok := layer.kinds[kind]; ok {
			return versions
		}
	}
	return nil
}
