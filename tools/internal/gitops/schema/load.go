package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// LoadPath returns a catalog that also has the kinds defined in a file, or in a folder
// and its subfolders: CustomResourceDefinitions and CompositeResourceDefinitions in YAML
// or JSON. Other objects are ignored; a path without any definition is an error.
func (c *Catalog) LoadPath(path string) (*Catalog, error) {
	var all []*Schema
	err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || file != path && !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return err
		}
		definitions, err := readFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, c.schemas(filepath.ToSlash(file), definitions)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load schemas: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("load schemas: %s has no CustomResourceDefinition and no CompositeResourceDefinition", path)
	}
	return c.layer(all), nil
}

func readFile(file string) ([]definition.Definition, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found []definition.Definition
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var object unstructured.Unstructured
		err := documents.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		definitions, err := definition.FromObject(&object)
		if err != nil {
			return nil, err
		}
		found = append(found, definitions...)
	}
}
