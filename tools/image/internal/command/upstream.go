package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/overlay"
	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

const pinHelp = `Write beside each tag in the manifests of FOLDER the digest that the tag's registry
has for it. NAME:TAG@DIGEST is what runs then: who moves the tag changes nothing.

This is for images of others. Those that image builds, --pin pins. A tag is the
newTag of an entry of images: in a kustomization.yaml, in a Kustomization of Flux,
in the post-renderers of a HelmRelease, or in a patch of one.

Standard output has one line NAME:TAG@DIGEST per image.
Exit codes: 0 done, 1 a registry did not answer, or --check found another digest
than a manifest has, 2 the command line is wrong.`

// newPin returns the command that pins images that others build.
func newPin() *cobra.Command {
	var check bool
	pin := &cobra.Command{
		Use: "pin FOLDER...", Short: "Write the digests of upstream's images beside their tags", Long: pinHelp, DisableFlagsInUseLine: true,
		Example: "  go run ./tools/image pin infrastructure/keda/aws\n  go run ./tools/image pin --check infrastructure/keda/aws",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage(errors.New("no folder: name at least one, such as infrastructure/keda/aws"))
			}
			return pinUpstream(cmd.Context(), args, check, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	pin.Flags().BoolVar(&check, "check", false,
		"write nothing: fail where a tag names another digest than is beside it, and say which tag has none")
	return pin
}

func pinUpstream(ctx context.Context, folders []string, check bool, stdout, stderr io.Writer) error {
	tags := map[string][]overlay.Tag{}
	for _, folder := range folders {
		found, err := overlay.Tags(folder)
		if err != nil {
			return cli.Usage(err)
		}
		if len(found) == 0 {
			return cli.Usage(fmt.Errorf("%s names no image by newTag", folder))
		}
		tags[folder] = found
	}
	digests := map[string]string{}
	for _, folder := range folders {
		for _, tag := range tags[folder] {
			if digests[tag.Reference()] != "" {
				continue
			}
			digest, err := image.Resolve(ctx, tag.Reference())
			if err != nil {
				return fmt.Errorf("%s:%d: %w", tag.File, tag.Line, err)
			}
			digests[tag.Reference()] = digest
			fmt.Fprintf(stdout, "%s@%s\n", tag.Reference(), digest)
		}
	}
	if check {
		return checkDigests(folders, tags, digests, stderr)
	}
	for _, folder := range folders {
		changed, err := overlay.SetBeside(folder, digests)
		for _, file := range changed {
			fmt.Fprintf(stderr, "  pinned in %s\n", file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkDigests compares the digests in the manifests with those of the registries.
func checkDigests(folders []string, tags map[string][]overlay.Tag, digests map[string]string, stderr io.Writer) error {
	var moved []error
	for _, folder := range folders {
		for _, tag := range tags[folder] {
			switch now := digests[tag.Reference()]; tag.Digest {
			case now:
			case "":
				fmt.Fprintf(stderr, "%s:%d: %s is not pinned: go run ./tools/image pin %s\n", tag.File, tag.Line, tag.Reference(), folder)
			default:
				moved = append(moved, fmt.Errorf("%s:%d: %s is %s now, and %s is written: the tag was moved, or the digest forgotten when it changed; "+
					"look which, then go run ./tools/image pin %s", tag.File, tag.Line, tag.Reference(), now, tag.Digest, folder))
			}
		}
	}
	return errors.Join(moved...)
}
