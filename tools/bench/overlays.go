//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// overlay is a folder that a Flux Kustomization applies.
type overlay struct {
	dir string
	// kustomized reports whether kustomize has to build it; otherwise it contains plain
	// manifests.
	kustomized bool
}

// findOverlays returns the folders that the given clusters, or all, apply, each once,
// including folders of pinned modules.
func findOverlays(ctx context.Context, root string, clusters []string) ([]overlay, error) {
	settings, err := config.Read(root)
	if err != nil {
		return nil, err
	}
	rendering, err := render.Run(ctx, render.Options{Root: root, Clusters: clusters, Config: settings})
	if err != nil {
		return nil, err
	}
	defer rendering.Close()
	var found []overlay
	for _, cluster := range rendering.Clusters {
		for _, k := range cluster.Kustomizations {
			o, err := overlayOf(ctx, root, k)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if !slices.Contains(found, o) {
				found = append(found, o)
			}
		}
	}
	return found, nil
}

// overlayOf returns the folder of a Kustomization on this machine. Its files have their
// path in the repository as name, or a module and its version.
func overlayOf(ctx context.Context, root string, k *render.Applier) (overlay, error) {
	if len(k.Files) == 0 {
		return overlay{dir: filepath.Join(root, k.Spec.Path)}, nil
	}
	dir := path.Dir(k.Files[0])
	module, rest, isModule := strings.Cut(dir, "@")
	if !isModule {
		return overlay{filepath.Join(root, dir), true}, nil
	}
	version, folder, _ := strings.Cut(rest, "/")
	source, err := moduleDir(ctx, module+"@"+version)
	return overlay{filepath.Join(source, folder), true}, err
}

func moduleDir(ctx context.Context, module string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the source of %s: %w", module, err)
	}
	var downloaded struct{ Dir string }
	err = json.Unmarshal(out, &downloaded)
	return downloaded.Dir, err
}
