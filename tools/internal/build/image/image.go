// Package image builds OCI images of Go programs without Docker: a static binary on an
// empty base, run by a numeric user. The same input gives the same bytes. It writes
// images to a registry, to an OCI image layout, or to a tarball for `docker load`.
// tools/image is its command; tools/local builds the local cluster's images with it.
//
// It uses github.com/google/go-containerregistry and not github.com/google/ko, which is
// built on it. ko decides on the base image, the layout and the configuration, and builds
// main packages itself. This repository also needs programs that are already built,
// upstream's names and paths, and layers that are read from the binary's file instead of
// compressed copies in memory.
//
// The package must not know clusters, manifests or pins.
package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is the user and group that every image runs as. It is numeric because
// Kubernetes checks runAsNonRoot against a number.
const User = "65532:65532"

// Spec describes one image.
type Spec struct {
	// Name is the repository without its registry.
	Name, Tag string
	// Package is a Go main package, built in the module folder Dir.
	Package, Dir string
	// LinkerFlags replace "-s -w", which omits the symbol table.
	LinkerFlags string
	// Binary is a static program that is already built; it replaces Package.
	Binary string
	// Entrypoint is the program's path in the image; empty means "/" and the
	// last element of Name.
	Entrypoint string
	// Arguments are the program's default arguments, for containers that give none.
	Arguments []string
	// Files are further files in the image: folders of this machine, by their paths in
	// the image.
	Files map[string]string
	// CrossplanePackage is the content of package.yaml, a YAML stream that begins with
	// the package's metadata. It makes the image a Crossplane package, see
	// https://github.com/crossplane/crossplane/blob/main/contributing/specifications/xpkg.md.
	CrossplanePackage []byte
	// Labels are added to the image's configuration. The OCI image specification's
	// annotations list well-known names.
	Labels map[string]string
	// Platforms, see ParsePlatforms; empty means this machine's.
	Platforms []v1.Platform
	// Digests are known digests of binaries, which need not be read again; Build adds
	// missing ones. With nil every file is read.
	Digests Digests
}

// Artifact is an image, or an index with one image for each platform. Its layers are read
// from the built files, so Close it after it is written.
type Artifact struct {
	Index v1.ImageIndex
	Image v1.Image
	dir   string
}

// Close removes the files that were built.
func (a Artifact) Close() error {
	if a.dir == "" {
		return nil
	}
	return os.RemoveAll(a.dir)
}

// Digest returns the digest under which a registry will serve the artifact.
func (a Artifact) Digest() (v1.Hash, error) {
	if a.Index != nil {
		return a.Index.Digest()
	}
	return a.Image.Digest()
}

// Build builds the image. If the compilation fails, the error has the compiler's last
// lines.
func Build(ctx context.Context, spec Spec) (Artifact, error) {
	platforms := spec.Platforms
	if len(platforms) == 0 {
		platforms = []v1.Platform{native}
	}
	if spec.Binary != "" {
		if len(platforms) > 1 {
			return Artifact{}, fmt.Errorf("image %s: %s is built already, for one platform and not for %d", spec.Name, spec.Binary, len(platforms))
		}
		img, err := assemble(spec, platforms[0], spec.Binary)
		return Artifact{Image: img}, err
	}
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return Artifact{}, err
	}
	a, err := build(ctx, spec, platforms, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return Artifact{}, err
	}
	return a, nil
}

func build(ctx context.Context, spec Spec, platforms []v1.Platform, dir string) (Artifact, error) {
	var addenda []mutate.IndexAddendum
	for _, platform := range platforms {
		binary := filepath.Join(dir, platform.Architecture+platform.Variant)
		if err := compile(ctx, spec.Dir, spec.LinkerFlags, platform, binary, spec.Package); err != nil {
			return Artifact{}, err
		}
		img, err := assemble(spec, platform, binary)
		if err != nil {
			return Artifact{}, err
		}
		addenda = append(addenda, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	if len(addenda) == 1 {
		return Artifact{Image: addenda[0].Add.(v1.Image), dir: dir}, nil
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), addenda...)
	return Artifact{Index: index, dir: dir}, nil
}

// assemble builds the image of one program.
func assemble(spec Spec, platform v1.Platform, binary string) (v1.Image, error) {
	entrypoint := spec.Entrypoint
	if entrypoint == "" {
		entrypoint = "/" + path.Base(spec.Name)
	}
	layers, err := spec.layers(binary, entrypoint)
	if err != nil {
		return nil, fmt.Errorf("make the layers of %s: %w", spec.Name, err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, layers...); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config.Entrypoint = []string{entrypoint}
	config.Config.Cmd = spec.Arguments
	config.Config.User = User
	config.Config.Labels = spec.Labels
	return mutate.ConfigFile(img, config)
}

// layers returns the layers of the program and of the other files.
func (s Spec) layers(binary, entrypoint string) ([]mutate.Addendum, error) {
	program, err := fileLayer(binary, entrypoint, s.Digests)
	if err != nil {
		return nil, err
	}
	layers := []mutate.Addendum{{Layer: program}}
	if len(s.Files) > 0 {
		files, err := readFiles(s.Files)
		if err != nil {
			return nil, err
		}
		beside, err := contentLayer(files)
		if err != nil {
			return nil, err
		}
		layers = append(layers, mutate.Addendum{Layer: beside})
	}
	if len(s.CrossplanePackage) > 0 {
		metadata, err := contentLayer(map[string][]byte{"package.yaml": s.CrossplanePackage})
		if err != nil {
			return nil, err
		}
		layers = append(layers, mutate.Addendum{Layer: metadata, Annotations: map[string]string{"io.crossplane.xpkg": "base"}})
	}
	return layers, nil
}
