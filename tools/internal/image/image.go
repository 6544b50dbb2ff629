// Package image builds OCI images of Go programs without Docker: one static
// binary on an empty base, run by a numeric user, the same bytes for the same
// input. tools/image is its command; tools/local builds the local cluster's
// images with it.
//
// It uses github.com/google/go-containerregistry and not
// github.com/google/ko, which is built on it: ko decides the base image, the
// layout and the configuration of a build of its own main packages, while this
// repository also needs programs that are built already, their upstream names
// and paths, and layers that are read from the file of the binary instead of
// compressed copies in memory.
//
// The package knows nothing of clusters and manifests.
package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is the user and group that every image runs as. It is numeric because
// Kubernetes checks runAsNonRoot against a number.
const User = "65532:65532"

// Spec says what goes into one image.
type Spec struct {
	// Name is the repository without its registry, Tag its tag.
	Name, Tag string
	// Package is a Go main package, built in the module folder Dir.
	Package, Dir string
	// Binary is a static program that is built already, instead of Package.
	Binary string
	// Entrypoint is the program's path in the image; empty means "/" and the
	// program's file name.
	Entrypoint string
	// Labels are added to the configuration, see the OCI image specification's
	// annotations for the well-known names.
	Labels map[string]string
	// Platforms, such as linux/arm64; empty means this machine's.
	Platforms []string
}

// Artifact is an image, or an index of one image per platform. Its layers are
// read from the files that were built, so Close it when it is pushed.
type Artifact struct {
	Index v1.ImageIndex
	Image v1.Image
	dir   string
}

// Close removes the built files.
func (a Artifact) Close() error {
	if a.dir == "" {
		return nil
	}
	return os.RemoveAll(a.dir)
}

// Digest is the digest that a registry will serve the artifact under.
func (a Artifact) Digest() (v1.Hash, error) {
	if a.Index != nil {
		return a.Index.Digest()
	}
	return a.Image.Digest()
}

// Build builds the image. The error of a failed compilation carries the
// compiler's last lines.
func Build(ctx context.Context, spec Spec) (Artifact, error) {
	platforms := spec.Platforms
	if len(platforms) == 0 {
		platforms = []string{"linux/" + runtime.GOARCH}
	}
	a := Artifact{}
	if spec.Binary == "" {
		dir, err := os.MkdirTemp("", "image-")
		if err != nil {
			return Artifact{}, err
		}
		a.dir = dir
	} else if len(platforms) > 1 {
		return Artifact{}, fmt.Errorf("image %s: a built binary has one platform, not %s", spec.Name, strings.Join(platforms, ", "))
	}
	var addenda []mutate.IndexAddendum
	for _, p := range platforms {
		platform, err := v1.ParsePlatform(p)
		if err != nil || platform.OS == "" || platform.Architecture == "" {
			return a, fmt.Errorf("platform %q is not OS/ARCHITECTURE, such as linux/amd64", p)
		}
		img, err := buildOne(ctx, spec, *platform, a.dir)
		if err != nil {
			return a, err
		}
		a.Image = img
		addenda = append(addenda, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	if len(addenda) > 1 {
		a.Image, a.Index = nil, mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), addenda...)
	}
	return a, nil
}

func buildOne(ctx context.Context, spec Spec, platform v1.Platform, dir string) (v1.Image, error) {
	binary := spec.Binary
	if binary == "" {
		var err error
		if binary, err = compile(ctx, spec, platform, dir); err != nil {
			return nil, err
		}
	}
	entrypoint := spec.Entrypoint
	if entrypoint == "" {
		entrypoint = "/" + filepath.Base(binary)
	}
	layer, err := fileLayer(binary, entrypoint)
	if err != nil {
		return nil, fmt.Errorf("make the layer of %s: %w", spec.Name, err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
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
	config.Config.User = User
	config.Config.Labels = spec.Labels
	return mutate.ConfigFile(img, config)
}

func compile(ctx context.Context, spec Spec, platform v1.Platform, dir string) (string, error) {
	out := filepath.Join(dir, platform.OS+"-"+platform.Architecture+platform.Variant, path.Base(spec.Package))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, spec.Package)
	cmd.Dir = spec.Dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture, "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		return "", fmt.Errorf("compile %s for %s: %w\n%s", spec.Package, platform.String(), err, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	return out, nil
}

// Push pushes the artifact to ref; insecure means plain http.
func Push(ctx context.Context, ref string, a Artifact, insecure bool) error {
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	tag, err := name.ParseReference(ref, options...)
	if err != nil {
		return fmt.Errorf("image reference %q: %w", ref, err)
	}
	if a.Index != nil {
		return remote.WriteIndex(tag, a.Index, remote.WithContext(ctx))
	}
	return remote.Write(tag, a.Image, remote.WithContext(ctx))
}
