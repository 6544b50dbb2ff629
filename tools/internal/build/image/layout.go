package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
)

// Layout is the folder of an OCI image layout. It can hold images for many platforms and
// with many references; skopeo, podman and crane read it.
type Layout string

// OpenLayout returns the layout in dir. dir must be a layout already, or empty, or
// absent. It writes nothing.
func OpenLayout(dir string) (Layout, error) {
	if _, err := layout.FromPath(dir); err == nil {
		return Layout(dir), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("open the image layout: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty and no image layout: name a new folder", dir)
	}
	return Layout(dir), nil
}

// Put adds the artifact under ref, such as producer:v1, in index.json's annotation
// org.opencontainers.image.ref.name. It replaces the artifact that had this ref.
func (l Layout) Put(ref string, a Artifact) error {
	path, err := layout.FromPath(string(l))
	if err != nil {
		path, err = layout.Write(string(l), empty.Index)
	}
	if err != nil {
		return fmt.Errorf("make the image layout: %w", err)
	}
	annotated := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": ref})
	if a.Index != nil {
		err = path.ReplaceIndex(a.Index, match.Name(ref), annotated)
	} else {
		err = path.ReplaceImage(a.Image, match.Name(ref), annotated)
	}
	if err != nil {
		return fmt.Errorf("write %s to the image layout %s: %w", ref, l, err)
	}
	return nil
}
