package kustomize

import (
	"fmt"
	"path/filepath"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

// guarded is a file system that refuses what kustomize cannot digest.
type guarded struct {
	filesys.FileSystem
	explain func(string) string // a path as findings call it
}

// ReadFile reads a file that kustomize can digest.
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

// overlay is a file system with files replaced, by clean names: the
// kustomization.yaml that Flux would write before it builds, and those that lack
// what only the network has. (kustomize's own file system in memory refuses many
// names of folders.)
type overlay struct {
	filesys.FileSystem
	replaced map[string][]byte
}

// ReadFile reads a replaced file or another one.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if data, replaced := o.replaced[filepath.Clean(name)]; replaced {
		return data, nil
	}
	return o.FileSystem.ReadFile(name)
}

// Exists knows of the replaced files.
func (o overlay) Exists(name string) bool {
	return o.replaced[filepath.Clean(name)] != nil || o.FileSystem.Exists(name)
}
