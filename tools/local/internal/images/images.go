// Package images makes the images of everything that runs as a pod in the local cluster,
// and pushes them to its registry. Upstream programs come from the built engines and keep
// their upstream names; ours are built from this checkout. It knows which image holds
// which program, and must not know the manifests that use them.
package images

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

// Sandbox is the image of every pod's first container.
const Sandbox = "ghcr.io/mystique-unicorn/pause:local"

// tag is the tag of images built from the checkout. Only the local overlays name it; on
// AWS images are pinned by digest.
const tag = "local"

// Specs returns every image of the local cluster, in the order in which the cluster needs
// them. root is the checkout. Sources that are not compiled are fetched into the module
// cache if they are missing.
func Specs(ctx context.Context, root string, set engines.Set) ([]image.Spec, error) {
	engine := func(name, tag, engine, program, entrypoint string) image.Spec {
		return image.Spec{Name: name, Tag: tag, Binary: set[engine].Program(program), Entrypoint: entrypoint}
	}
	specs := []image.Spec{
		own(root, "pause", "./tools/local/pause"),
		engine("coredns/coredns", set["coredns"].Version, "coredns", "coredns", "/coredns"),
	}
	for _, controller := range []string{"source-controller", "kustomize-controller", "helm-controller"} {
		version, err := set["flux"].VersionOf("github.com/fluxcd/" + controller)
		if err != nil {
			return nil, err
		}
		specs = append(specs, engine("fluxcd/"+controller, version, "flux", controller, "/"+controller))
	}
	crossplane, err := crossplaneSpecs(ctx, root, set)
	if err != nil {
		return nil, err
	}
	keda := strings.TrimPrefix(set["keda"].Version, "v")
	return slices.Concat(specs, crossplane, []image.Spec{
		// These are the paths of the containers' commands in KEDA's manifests.
		engine("kedacore/keda", keda, "keda", "operator", "/keda"),
		engine("kedacore/keda-metrics-apiserver", keda, "keda", "adapter", "/keda-adapter"),
		engine("kedacore/keda-admission-webhooks", keda, "keda", "webhooks", "/keda-admission-webhooks"),
		own(root, "localaws", "./apps/localaws/cmd/localaws"),
		own(root, "ssm-agent", "./apps/ssm-agent"),
		own(root, "producer", "./apps/producer"),
		own(root, "consumer", "./apps/consumer"),
	}), nil
}

// own returns the image of a program of this checkout.
func own(root, name, pkg string) image.Spec {
	return image.Spec{Name: "mystique-unicorn/" + name, Tag: tag, Package: pkg, Dir: root}
}

// Compile compiles the programs of this checkout into a folder, which it creates if
// needed, and returns the images with the compiled programs. It does not link programs
// again that have not changed.
func Compile(ctx context.Context, root string, specs []image.Spec, programs string, log *progress.Log) ([]image.Spec, error) {
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the programs: %w", err)
	}
	start := time.Now()
	var packages []string
	compiled := slices.Clone(specs)
	for i, spec := range specs {
		if spec.Package == "" {
			continue
		}
		compiled[i].Binary = filepath.Join(programs, path.Base(spec.Package))
		if !slices.Contains(packages, spec.Package) {
			packages = append(packages, spec.Package)
		}
	}
	log.Doing("compiling %d programs of this checkout", len(packages))
	if err := image.Compile(ctx, root, packages, programs); err != nil {
		return nil, err
	}
	log.Done("compiled %d programs of this checkout in %.1f s", len(packages), time.Since(start).Seconds())
	return compiled, nil
}

// Set is the set of images in a registry.
type Set struct {
	dir     string          // folder of the compiled programs
	used    []string        // files in it that the images hold
	digests image.Digests   // digests of the programs' layers
	blobs   map[string]bool // digests of the images' blobs
}

// digestsFile, in the folder of the compiled programs, keeps the layers' digests for the
// next start: computing them reads 900 MB.
const digestsFile = "digests.json"

// Push makes images of compiled programs and pushes them to a registry without TLS. It
// pushes each one while it makes the next: a pod whose image is not there yet is tried
// again only after ten seconds. It does not send layers that the registry has. programs
// is the folder of Compile.
func Push(ctx context.Context, specs []image.Spec, programs, registry string, log *progress.Log) (*Set, error) {
	start := time.Now()
	set := &Set{dir: programs, digests: readDigests(programs), blobs: map[string]bool{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	group.Go(func() error {
		for i, spec := range specs {
			log.Doing("pushing image %d of %d: %s", i+1, len(specs), spec.Name)
			artifact, err := set.build(ctx, spec)
			if err != nil {
				return fmt.Errorf("build the image %s:%s: %w", spec.Name, spec.Tag, err)
			}
			group.Go(func() error {
				ref := fmt.Sprintf("%s/%s:%s", registry, spec.Name, spec.Tag)
				if err := image.Push(ctx, ref, artifact, true); err != nil {
					return fmt.Errorf("push the image %s: %w", ref, err)
				}
				return nil
			})
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	log.Done("pushed %d images in %.1f s", len(specs), time.Since(start).Seconds())
	return set, nil
}

// readDigests returns no digests if it cannot read the file: then all are computed again.
func readDigests(dir string) image.Digests {
	digests := image.Digests{}
	if data, err := os.ReadFile(filepath.Join(dir, digestsFile)); err != nil || json.Unmarshal(data, &digests) != nil {
		return image.Digests{}
	}
	return digests
}

func (s *Set) build(ctx context.Context, spec image.Spec) (image.Artifact, error) {
	s.used = append(s.used, spec.Binary)
	spec.Digests = s.digests
	artifact, err := image.Build(ctx, spec)
	if err != nil {
		return image.Artifact{}, err
	}
	manifest, err := artifact.Image.Manifest()
	if err != nil {
		return image.Artifact{}, err
	}
	for _, part := range append(manifest.Layers, manifest.Config) {
		s.blobs[part.Digest.Hex] = true
	}
	return artifact, nil
}

// Keep saves what the next start needs to know about the set. It removes the registry's
// layers and the programs that no image of the set has: those of other checkouts, and
// those that an interrupted push or build left.
func (s *Set) Keep(blobs string) error {
	digests := filepath.Join(s.dir, digestsFile)
	maps.DeleteFunc(s.digests, func(_ string, known image.Digest) bool { return !s.blobs[known.Layer.Hex] })
	data, err := json.Marshal(s.digests)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(digests, data, 0o644); err != nil {
		return fmt.Errorf("keep the layers' digests: %w", err)
	}
	used := append(slices.Clone(s.used), digests)
	for digest := range s.blobs {
		used = append(used, filepath.Join(blobs, "sha256", digest))
	}
	for _, pattern := range []string{filepath.Join(blobs, "sha256", "*"), filepath.Join(s.dir, "*")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			if slices.Contains(used, file) {
				continue
			}
			if err := os.RemoveAll(file); err != nil {
				return fmt.Errorf("remove what no image has: %w", err)
			}
		}
	}
	return nil
}
