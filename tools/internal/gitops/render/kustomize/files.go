package kustomize

import (
	"fmt"
	"path/filepath"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

// guarded is a file system that rejects files that would harm kustomize.
type guarded struct {
	filesys.FileSystem
	explain func(string) string // returns a path's name in findings
}

// ReadFile reads a file that cannot harm kustomize.
func (g guarded) ReadFile(name string) ([]byte, error) {
	data, err := g.FileSystem.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := limits.Check(data); err != nil {
		return nil, fmt.Errorf("%s: %w", g.explain(name), err)
	}
	return data, nil
}

// overlay is a file system in which some files are replaced, by clean names: the
// kustomization.yaml that Flux would write before it builds, and files from which network
// content was removed. (kustomize's own file system in memory rejects many folder names.)
type overlay struct {
	filesys.FileSystem
	replaced map[string][]byte
}

// ReadFile reads a replaced file, or else the original.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if data, replaced := o.replaced[filepath.Clean(name)]; replaced {
		return data, nil
	}
	return o.FileSystem.ReadFile(name)
}

// Exists also reports replaced files.
func (o overlay) Exists(name string) bool {
	return o.replaced[filepath.Clean(name)] != nil || o.FileSystem.Exists(name)
}
