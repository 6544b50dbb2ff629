// Package images makes the images of everything that runs as a pod in the
// local cluster and pushes them to its registry: upstream programs from the
// built engines under their upstream names, ours from this checkout. It knows
// which image holds which program, and nothing of the manifests that use them.
package images

import (
	"context"
	"fmt"
	"io"
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

// Specs is every image of the local cluster. root is the checkout.
func Specs(root string, set engines.Set) ([]image.Spec, error) {
	own := func(name, pkg string) image.Spec {
		return image.Spec{Name: "mystique-unicorn/" + name, Tag: tag, Package: pkg, Dir: root}
	}
	specs := []image.Spec{
		own("pause", "./tools/local/pause"),
		own("localaws", "./apps/localaws/cmd/localaws"),
		own("producer", "./apps/producer"),
		own("consumer", "./apps/consumer"),
		own("ssm-agent", "./infrastructure/ssm-agent"),
	}
	keda := strings.TrimPrefix(set["keda"].Version, "v")
	source, err := set["flux"].VersionOf("github.com/fluxcd/source-controller")
	if err != nil {
		return nil, err
	}
	upstream := func(name, tag, engine, program, entrypoint string) {
		specs = append(specs, image.Spec{Name: name, Tag: tag, Binary: set[engine].Program(program), Entrypoint: entrypoint})
	}
	// KEDA's manifests name these paths as the containers' commands.
	upstream("kedacore/keda", keda, "keda", "operator", "/keda")
	upstream("kedacore/keda-metrics-apiserver", keda, "keda", "adapter", "/keda-adapter")
	upstream("kedacore/keda-admission-webhooks", keda, "keda", "webhooks", "/keda-admission-webhooks")
	upstream("fluxcd/source-controller", source, "flux", "source-controller", "/source-controller")
	upstream("fluxcd/kustomize-controller", set["flux"].Version, "flux", "kustomize-controller", "/kustomize-controller")
	upstream("coredns/coredns", set["coredns"].Version, "coredns", "coredns", "/coredns")
	return specs, nil
}

// Built is an image that is ready to be pushed.
type Built struct {
	spec  image.Spec
	image image.Artifact
}

// Build builds every image, one at a time: the compiler uses all cores itself.
func Build(ctx context.Context, specs []image.Spec) ([]Built, error) {
	var built []Built
	for _, spec := range specs {
		artifact, err := image.Build(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("build the image %s:%s: %w", spec.Name, spec.Tag, err)
		}
		built = append(built, Built{spec, artifact})
	}
	return built, nil
}

// Push pushes the images to a registry without TLS. Layers that it has are
// not sent again.
func Push(ctx context.Context, registry string, built []Built, progress io.Writer) error {
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, b := range built {
		group.Go(func() error {
			ref := fmt.Sprintf("%s/%s:%s", registry, b.spec.Name, b.spec.Tag)
			defer b.image.Close()
			if err := image.Push(ctx, ref, b.image, true); err != nil {
				return fmt.Errorf("push the image %s: %w", ref, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(progress, "pushed %d images in %.1f s\n", len(built), time.Since(start).Seconds())
	return nil
}
