// Package images makes the images of everything that runs as a pod in the
// local cluster and pushes them to its registry: upstream programs from the
// built engines under their upstream names, ours from this checkout. It knows
// which image holds which program, and nothing of the manifests that use them.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/image"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
)

// Sandbox is the image of every pod's first container.
const Sandbox = "ghcr.io/mystique-unicorn/pause:local"

// tag of the images that are built from the checkout. Only the local overlays
// name it; elsewhere images are pinned by digest.
const tag = "local"

// Specs is every image of the local cluster. root is the checkout. The sources
// of what is not compiled are fetched into the module cache if need be.
func Specs(ctx context.Context, root string, set engines.Set) ([]image.Spec, error) {
	keda := strings.TrimPrefix(set["keda"].Version, "v")
	source, err := set["flux"].VersionOf("github.com/fluxcd/source-controller")
	if err != nil {
		return nil, err
	}
	engine := func(name, tag, engine, program, entrypoint string) image.Spec {
		return image.Spec{Name: name, Tag: tag, Binary: set[engine].Program(program), Entrypoint: entrypoint}
	}
	specs := []image.Spec{
		own(root, "pause", "./tools/local/pause"),
		own(root, "localaws", "./apps/localaws/cmd/localaws"),
		own(root, "producer", "./apps/producer"),
		own(root, "consumer", "./apps/consumer"),
		own(root, "ssm-agent", "./infrastructure/ssm-agent"),
		// KEDA's manifests name these paths as the containers' commands.
		engine("kedacore/keda", keda, "keda", "operator", "/keda"),
		engine("kedacore/keda-metrics-apiserver", keda, "keda", "adapter", "/keda-adapter"),
		engine("kedacore/keda-admission-webhooks", keda, "keda", "webhooks", "/keda-admission-webhooks"),
		engine("fluxcd/source-controller", source, "flux", "source-controller", "/source-controller"),
		engine("fluxcd/kustomize-controller", set["flux"].Version, "flux", "kustomize-controller", "/kustomize-controller"),
		engine("fluxcd/helm-controller", set["helm-controller"].Version, "helm-controller", "helm-controller", "/helm-controller"),
		engine("coredns/coredns", set["coredns"].Version, "coredns", "coredns", "/coredns"),
	}
	crossplane, err := crossplaneSpecs(ctx, root, set)
	return append(specs, crossplane...), err
}

// own is the image of a program of this checkout.
func own(root, name, pkg string) image.Spec {
	return image.Spec{Name: "mystique-unicorn/" + name, Tag: tag, Package: pkg, Dir: root}
}

// Set is images that are ready to be pushed.
type Set struct {
	images   []built
	dir      string            // of the compiled programs
	programs map[string]string // compiled, by package
}

type built struct {
	spec  image.Spec
	image image.Artifact
}

// Build builds every image, one at a time: the compiler uses all cores itself. A
// program is compiled once, however many images hold it. Close the set when it
// is pushed.
func Build(ctx context.Context, specs []image.Spec) (*Set, error) {
	dir, err := os.MkdirTemp("", "images-")
	if err != nil {
		return nil, err
	}
	set := &Set{dir: dir, programs: map[string]string{}}
	if err := set.build(ctx, specs); err != nil {
		return nil, errors.Join(err, set.Close())
	}
	return set, nil
}

// Close removes the compiled programs.
func (s *Set) Close() error { return os.RemoveAll(s.dir) }

func (s *Set) build(ctx context.Context, specs []image.Spec) error {
	for _, spec := range specs {
		artifact, err := s.buildOne(ctx, spec)
		if err != nil {
			return fmt.Errorf("build the image %s:%s: %w", spec.Name, spec.Tag, err)
		}
		s.images = append(s.images, built{spec, artifact})
	}
	return nil
}

func (s *Set) buildOne(ctx context.Context, spec image.Spec) (image.Artifact, error) {
	if spec.Binary == "" {
		var err error
		if spec.Binary, err = s.program(ctx, spec); err != nil {
			return image.Artifact{}, err
		}
	}
	return image.Build(ctx, spec)
}

// program is the compiled program of an image of this checkout.
func (s *Set) program(ctx context.Context, spec image.Spec) (string, error) {
	if compiled, found := s.programs[spec.Package]; found {
		return compiled, nil
	}
	out := filepath.Join(s.dir, strconv.Itoa(len(s.programs)))
	if err := image.Compile(ctx, spec, out); err != nil {
		return "", err
	}
	s.programs[spec.Package] = out
	return out, nil
}

// Prune removes from the folder of a registry's layers what no image of the set
// has: those of other checkouts, and what an interrupted push left.
func (s *Set) Prune(blobs string) error {
	used := map[string]bool{}
	for _, b := range s.images {
		manifest, err := b.image.Image.Manifest()
		if err != nil {
			return err
		}
		for _, part := range append(manifest.Layers, manifest.Config) {
			used[part.Digest.Hex] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(blobs, "sha256", "*"))
	if err != nil {
		return err
	}
	uploads, err := filepath.Glob(filepath.Join(blobs, "upload-*"))
	if err != nil {
		return err
	}
	for _, file := range append(files, uploads...) {
		if used[filepath.Base(file)] {
			continue
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove a layer that no image has: %w", err)
		}
	}
	return nil
}

// Push pushes the images to a registry without TLS. Layers that it has are
// not sent again.
func (s *Set) Push(ctx context.Context, registry string, progress io.Writer) error {
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, b := range s.images {
		group.Go(func() error {
			ref := fmt.Sprintf("%s/%s:%s", registry, b.spec.Name, b.spec.Tag)
			if err := image.Push(ctx, ref, b.image, true); err != nil {
				return fmt.Errorf("push the image %s: %w", ref, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(progress, "pushed %d images in %.1f s\n", len(s.images), time.Since(start).Seconds())
	return nil
}
