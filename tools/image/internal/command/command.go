// Package command is the command line of tools/image, and the one place that prints an
// error and chooses the exit code. It decides the images' names, labels and destination;
// tools/internal/build/image makes them.
//
// A run has four steps: it resolves every argument to a main package, builds all images,
// writes all of them, and prints their digests. So a wrong command line fails before the
// build, and a failed build writes nothing.
//
// In addition, pin writes the digests of images that others build into manifests.
//
// Exit codes: 0 success, 1 a build or a destination failed, 2 the command line is wrong.
package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

const help = `Build OCI images of Go main packages, without Docker: one static binary on an
empty base, run as user ` + image.User + `. The same source gives the same digest.

A PACKAGE that begins with a dot or a slash is a folder of this module. Another
is the import path of a program that a folder of tools/engines names in its tool
directives, built as it is pinned there. NAME, the image's name without its
registry, is the program's unless it is given; its last part is also the
program's name in the image.

Exactly one destination is required. A tarball is in the format of docker save
and for one platform; it carries no manifest, so Docker shows another digest
after docker load.

Labels: source is the module's address, revision the Git commit, with -dirty
when files differ from it, version is --version, else the --tag. An engine has
the version of its pin and no revision.

An SBOM goes with each image, and a signature as cosign makes it if there is a
key: --sign-key, or the key itself in ` + keyVariable + `, in PEM. The password of an
encrypted one is in ` + passwordVariable + `. It verifies with
cosign verify --key cosign.pub --insecure-ignore-tlog NAME@DIGEST.

Standard output has one line NAME@DIGEST per image when all are written.
Exit codes: 0 done, 1 a build or a destination failed, 2 the command line is
wrong.`

const examples = `  go run ./tools/image --registry ghcr.io/mystique-unicorn --tag v1 ./apps/producer ./apps/ssm-agent
  go run ./tools/image --registry localhost:5000 keda=github.com/kedacore/keda/v2/cmd/operator
  go run ./tools/image --layout bin/images --platform linux/amd64,linux/arm64 ./apps/producer
  go run ./tools/image --registry ghcr.io/mystique-unicorn --pin apps/producer/deploy/staging ./apps/producer
  go run ./tools/image --registry ghcr.io/mystique-unicorn --crossplane-package crossplane/function/package.yaml \
    --pin infrastructure/crossplane/packages/base function-sales-events=./crossplane/function/cmd/function
  go run ./tools/image --tarball bin/localaws.tar ./apps/localaws/cmd/localaws`

// Execute runs one command line and returns the exit code. SIGINT and SIGTERM
// cancel it.
func Execute(args []string, stdout, stderr io.Writer) int {
	return cli.Execute(newRoot(), args, stdout, stderr, 1)
}

// options are the flags.
type options struct {
	registry, layout, tarball string
	insecure                  bool
	tag, version              string
	platforms                 []string
	crossplanePackage         string
	sbom                      bool
	signKey                   string
	pin                       []string
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:                   "image {--registry REGISTRY | --layout DIR | --tarball FILE} [NAME=]PACKAGE...",
		Short:                 "Build OCI images of Go main packages, without Docker",
		Long:                  help,
		Example:               examples,
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), o, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	root.AddCommand(newPin())
	flags := root.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.registry, "registry", "", "push to this `REGISTRY` and folder, such as ghcr.io/mystique-unicorn")
	flags.StringVar(&o.layout, "layout", "", "write to the OCI image layout in `DIR`, beside what it holds")
	flags.StringVar(&o.tarball, "tarball", "", "write `FILE` for docker load")
	flags.BoolVar(&o.insecure, "insecure", false, "push by plain http and without credentials; localhost needs no flag")
	flags.StringVar(&o.tag, "tag", name.DefaultTag, "`TAG` of the images")
	flags.StringVar(&o.version, "version", "", "`VERSION` for the images' labels")
	flags.StringSliceVar(&o.platforms, "platform", nil, "`PLATFORMS`, such as linux/amd64,linux/arm64 (default this machine's)")
	flags.StringVar(&o.crossplanePackage, "crossplane-package", "", "make the image a Crossplane package with the metadata in `FILE`")
	flags.BoolVar(&o.sbom, "sbom", true, "write an SBOM, CycloneDX, beside each image, under the tag sha256-DIGEST.sbom; a tarball holds none")
	flags.StringVar(&o.signKey, "sign-key", "", "sign each image with the private key in `FILE`, or in the variable "+keyVariable)
	flags.StringArrayVar(&o.pin, "pin", nil,
		"write the digests into the manifests of the folder `OVERLAY`, which pin these images; again for more folders")
	return root
}

// built is an image that is ready to be written.
type built struct {
	image.Artifact
	name, tag string // the name includes the registry, if it has one
}

func (b built) ref() string { return b.name + ":" + b.tag }

func run(ctx context.Context, o options, args []string, stdout, stderr io.Writer) error {
	to, err := o.destination()
	if err != nil {
		return cli.Usage(err)
	}
	signer, err := o.signer(os.Getenv)
	if err != nil {
		return cli.Usage(err)
	}
	specs, err := plan(ctx, o, args, stderr)
	if err != nil {
		return err
	}
	pinned, err := o.overlays(specs)
	if err != nil {
		return cli.Usage(err)
	}
	images, err := buildAll(ctx, specs, stderr)
	defer func() {
		for _, i := range images {
			_ = i.Close()
		}
	}()
	if err != nil {
		return err
	}
	about, err := o.attest(images, signer)
	if err != nil {
		return err
	}
	if err := to.write(ctx, append(images, about...), stderr); err != nil {
		return err
	}
	for _, i := range images {
		digest, err := i.Digest()
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s@%s\n", i.name, digest)
		if err := pinned.write(i.name, digest.String(), stderr); err != nil {
			return err
		}
	}
	return nil
}

// plan returns what to build, or an error if the command line is wrong.
func plan(ctx context.Context, o options, args []string, stderr io.Writer) ([]image.Spec, error) {
	platforms, err := image.ParsePlatforms(o.platforms)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if tag, err := name.NewTag("image:" + o.tag); err != nil || tag.TagStr() != o.tag {
		return nil, cli.Usage(fmt.Errorf("--tag %q is not a tag, such as v1", o.tag))
	}
	programs, err := resolve(ctx, args)
	if err != nil {
		return nil, err
	}
	metadata, err := o.metadata(programs)
	if err != nil {
		return nil, cli.Usage(err)
	}
	revision := sync.OnceValue(func() string {
		revision, err := revisionOf(ctx, ".")
		if err != nil {
			fmt.Fprintf(stderr, "images of this module get no revision label: %v\n", err)
		}
		return revision
	})
	var specs []image.Spec
	for _, p := range programs {
		spec := image.Spec{
			Name: path.Join(o.registry, p.name), Tag: o.tag, Package: p.path, Dir: p.dir, LinkerFlags: p.linkerFlags,
			Platforms: platforms, Labels: o.labels(p, revision), CrossplanePackage: metadata,
		}
		if _, err := name.NewTag(spec.Name + ":" + spec.Tag); err != nil {
			return nil, cli.Usage(fmt.Errorf("the image of %s: %w", p.path, err))
		}
		if slices.ContainsFunc(specs, func(other image.Spec) bool { return other.Name == spec.Name }) {
			return nil, cli.Usage(fmt.Errorf("two images are called %s: name one with NAME=%s", spec.Name, p.path))
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// buildAll builds one image after the other, because the compiler uses all cores itself.
// With an error it also returns what it built before.
func buildAll(ctx context.Context, specs []image.Spec, progress io.Writer) ([]built, error) {
	var images []built
	for _, spec := range specs {
		start := time.Now()
		fmt.Fprintf(progress, "building %s from %s%s\n", spec.Name, spec.Package, forPlatforms(spec.Platforms))
		artifact, err := image.Build(ctx, spec)
		if err != nil {
			return images, err
		}
		images = append(images, built{artifact, spec.Name, spec.Tag})
		fmt.Fprintf(progress, "  built %s in %.1f s\n", spec.Name, time.Since(start).Seconds())
	}
	return images, nil
}

func forPlatforms(platforms []v1.Platform) string {
	var names []string
	for _, p := range platforms {
		names = append(names, p.String())
	}
	if len(names) == 0 {
		return ""
	}
	return " for " + strings.Join(names, ", ")
}
