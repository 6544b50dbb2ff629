package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// crds reads the CustomResourceDefinitions in the files that match the patterns, one in
// each file.
func crds(patterns ...string) reader {
	return tree(func(dir string) ([]definition.Definition, error) {
		var found []definition.Definition
		for _, pattern := range patterns {
			definitions, err := readCRDs(dir, pattern)
			if err != nil {
				return nil, err
			}
			found = append(found, definitions...)
		}
		return found, nil
	})
}

// types generates the CustomResourceDefinitions of a module's Go types, with upstream's
// own generator.
func types(ctx context.Context, pinned pins.Pins, module string) ([]definition.Definition, error) {
	dir, err := os.MkdirTemp("", "crds-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "go", "tool", "controller-gen", "crd", "paths="+module+"/...", "output:crd:dir="+dir)
	cmd.Dir = pinned.Dir
	cmd.Env = toolchain.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the CRDs of %s: %w\n%s", module, err, out)
	}
	return readCRDs(dir, "*.yaml")
}

// readCRDs reads the files that match a pattern. If none matches, upstream has moved
// them.
func readCRDs(dir, pattern string) ([]definition.Definition, error) {
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("nothing matches %s: look where this version keeps its CRDs", pattern)
	}
	var found []definition.Definition
	for _, file := range files {
		definitions, err := readCRD(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		found = append(found, definitions...)
	}
	return found, nil
}

func readCRD(file string) ([]definition.Definition, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		return nil, err
	}
	return definition.FromCRD(&crd)
}
