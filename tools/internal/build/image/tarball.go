package image

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// WriteTarball writes the artifacts, by references such as producer:v1, as one file in
// the format of `docker save`, for `docker load`. The format has no manifests and no
// indexes: docker makes its own manifest, with another digest. The file appears as a
// whole or not at all.
func WriteTarball(file string, artifacts map[string]Artifact) error {
	images := map[name.Reference]v1.Image{}
	for ref, a := range artifacts {
		if a.Index != nil {
			return fmt.Errorf("%s is for several platforms, which a docker tarball cannot hold: write an image layout", ref)
		}
		tag, err := name.NewTag(ref)
		if err != nil {
			return fmt.Errorf("image reference %q: %w", ref, err)
		}
		images[tag] = a.Image
	}
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-")
	if err != nil {
		return fmt.Errorf("write the tarball: %w", err)
	}
	defer os.Remove(part.Name()) // it does nothing after the rename
	err = tarball.MultiRefWrite(images, part)
	if closed := part.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(part.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the tarball %s: %w", file, err)
	}
	return nil
}
