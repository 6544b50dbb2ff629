package schema

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

//go:embed schemas.zip
var packed []byte

// Catalog is a set of kinds with their schemas. It is immutable and safe for concurrent
// use.
type Catalog struct {
	below *Catalog // used for kinds that this layer lacks
	kinds map[schema.GroupKind]map[string]*Schema
	// metadata is the schema for the metadata of every kind.
	metadata *Schema
	// declared has the schemas of definitions seen so far, by their content. All layers
	// share it.
	declared *sync.Map
}

var builtin = sync.OnceValue(func() *Catalog {
	archive, err := definition.Open(packed)
	if err != nil {
		panic(fmt.Errorf("%w: run go generate ./tools/internal/gitops/schema", err))
	}
	catalog := &Catalog{kinds: map[schema.GroupKind]map[string]*Schema{}, declared: &sync.Map{}, metadata: &Schema{
		kind: definition.ObjectMeta,
		read: func() (definition.Definition, error) { return archive.Read(definition.ObjectMeta) },
	}}
	for _, kind := range archive.Kinds() {
		if kind == definition.ObjectMeta {
			continue
		}
		catalog.add(&Schema{
			kind: kind, source: archive.SourceOf(kind).String(), metadata: catalog.metadata,
			read: func() (definition.Definition, error) { return archive.Read(kind) },
		})
	}
	return catalog
})

// Builtin returns the catalog of the pinned modules. A schema is loaded only when its
// kind is looked up and used.
func Builtin() *Catalog { return builtin() }

// With returns a catalog that also has the kinds defined by CustomResourceDefinitions and
// CompositeResourceDefinitions among the objects. Other objects, and definitions that an
// API server would reject, are ignored.
func (c *Catalog) With(objects []*unstructured.Unstructured) *Catalog {
	var all []*Schema
	for _, object := range objects {
		all = append(all, c.declaredBy(object)...)
	}
	return c.layer(all)
}

// declaredBy returns the schemas that an object defines. Objects that differ only in
// their labels share them, as in clusters with a common base.
func (c *Catalog) declaredBy(object *unstructured.Unstructured) []*Schema {
	if !definition.Declares(object) {
		return nil
	}
	data, err := encoded(anonymous(object.Object))
	if err != nil {
		return nil
	}
	content := sha256.Sum256(data)
	if known, found := c.declared.Load(content); found {
		return known.([]*Schema)
	}
	definitions, err := definition.FromObject(object)
	if err != nil {
		return nil
	}
	schemas := c.schemas(object.GetKind()+" "+object.GetName(), definitions)
	c.declared.Store(content, schemas)
	return schemas
}

// schemas returns the schemas for the definitions of one source.
func (c *Catalog) schemas(source string, definitions []definition.Definition) []*Schema {
	schemas := make([]*Schema, 0, len(definitions))
	for _, d := range definitions {
		schemas = append(schemas, &Schema{
			kind: d.GroupVersionKind, source: source, metadata: c.metadata,
			read: func() (definition.Definition, error) { return d, nil },
		})
	}
	return schemas
}

func (c *Catalog) layer(all []*Schema) *Catalog {
	if len(all) == 0 {
		return c
	}
	catalog := &Catalog{below: c, kinds: map[schema.GroupKind]map[string]*Schema{}, metadata: c.metadata, declared: c.declared}
	for _, s := range all {
		catalog.add(s)
	}
	return catalog
}

func (c *Catalog) add(s *Schema) {
	versions := c.kinds[s.kind.GroupKind()]
	if versions == nil {
		versions = map[string]*Schema{}
		c.kinds[s.kind.GroupKind()] = versions
	}
	versions[s.kind.Version] = s
}

// Lookup returns the schema of one version of a kind.
func (c *Catalog) Lookup(kind schema.GroupVersionKind) (*Schema, bool) {
	found, ok := c.versions(kind.GroupKind())[kind.Version]
	return found, ok
}

// Versions returns the versions of a kind that an API server serves, sorted; none for an
// unknown kind.
func (c *Catalog) Versions(kind schema.GroupKind) []string {
	return slices.Sorted(maps.Keys(c.versions(kind)))
}

// Kinds returns the kinds of a group, sorted.
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

// Groups returns the groups that have a kind of this name, sorted.
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

// All returns all versions of all kinds, in no particular order.
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

// versions returns the versions in the topmost layer that has the kind: one definition
// lists all versions of its resource.
func (c *Catalog) versions(kind schema.GroupKind) map[string]*Schema {
	for layer := c; layer != nil; layer = layer.below {
		if versions, ok := layer.kinds[kind]; ok {
			return versions
		}
	}
	return nil
}
