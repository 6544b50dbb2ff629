//go:build linux

package main

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// TestGenerate: all of a generated repository is rendered, and all clusters have the same
// number of objects.
func TestGenerate(t *testing.T) {
	root := t.TempDir()
	if err := generate(root, 2, 3); err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(t.Context(), render.Options{Root: root, Config: config.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	defer rendering.Close()
	if len(rendering.Clusters) != 2 {
		t.Fatalf("%d clusters", len(rendering.Clusters))
	}
	for _, cluster := range rendering.Clusters {
		if len(cluster.Failures)+len(cluster.Unknowns) > 0 {
			t.Error(cluster.Path, cluster.Failures, cluster.Unknowns)
		}
		if got, want := len(cluster.Objects()), 1+3*(1+11); got != want {
			t.Errorf("%s: %d objects, want %d", cluster.Path, got, want)
		}
	}
}
