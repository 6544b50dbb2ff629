// Command promote copies the image pins of staging to production and stages the
// edit, so that a commit and a push promote, and a `git revert` rolls back.
//
// Staging's overlays, the folders named staging, pin by digest what staging runs. promote
// copies these digests to the folder production beside each. It changes nothing else in a
// file, and builds, pushes and commits nothing.
//
// Exit codes: 0 promoted, or nothing to promote; 1 the pins could not be copied; 2 the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/overlay"
	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

const help = `Copies the digests that the overlays in apps/*/deploy/staging pin to the overlays
production beside them, and stages the edit with git. Then look at it, commit and
push; a git revert rolls back. Run it at the root of the checkout, as make promote
does.`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "promote", Short: "Copy the image pins of staging to production", Long: help, Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return promote(cmd.Context(), cmd.OutOrStdout()) },
	}
	return cli.Execute(root, args, stdout, stderr, 1)
}

func promote(ctx context.Context, stdout io.Writer) error {
	moves, err := plan()
	if err != nil {
		return err
	}
	if len(moves) == 0 {
		fmt.Fprintln(stdout, "nothing to promote: production pins what staging pins")
		return nil
	}
	if err := refuseEdited(ctx, moves); err != nil {
		return err
	}
	for _, m := range moves {
		changed, err := overlay.Set(m.overlay, m.image, m.to)
		if err != nil {
			return err
		}
		if _, err := git.Run(ctx, ".", nil, append([]string{"add", "--"}, changed...)...); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %s\n  from %s\n  to   %s\n", m.overlay, m.image, m.from, m.to)
	}
	fmt.Fprintln(stdout, "staged; `git commit` and `git push` promote, `git revert` rolls back")
	return nil
}

// move is a digest that production gets from staging.
type move struct{ overlay, image, from, to string }

// plan compares every staging overlay with its production overlay.
func plan() ([]move, error) {
	stagings, err := filepath.Glob("apps/*/deploy/staging")
	if err != nil {
		return nil, err
	}
	if len(stagings) == 0 {
		return nil, errors.New("no overlay apps/*/deploy/staging here: run this at the root of the checkout")
	}
	var moves []move
	for _, staging := range stagings {
		found, err := compare(staging, filepath.Join(filepath.Dir(staging), "production"))
		if err != nil {
			return nil, err
		}
		moves = append(moves, found...)
	}
	return moves, nil
}

func compare(staging, production string) ([]move, error) {
	wanted, err := overlay.Pins(staging)
	if err != nil {
		return nil, err
	}
	has, err := overlay.Pins(production)
	if err != nil {
		return nil, err
	}
	var moves []move
	for _, pin := range wanted {
		if pin.Digest == "" {
			return nil, fmt.Errorf("%s:%d: %s is not pinned by digest: pin it with go run ./tools/image --pin %s",
				pin.File, pin.Line, pin.Image, staging)
		}
		found, err := overlay.Of(has, production, pin.Image)
		if err != nil {
			return nil, err
		}
		if found[0].Digest != pin.Digest {
			moves = append(moves, move{overlay: production, image: pin.Image, from: found[0].Digest, to: pin.Digest})
		}
	}
	for _, pin := range has {
		if _, err := overlay.Of(wanted, staging, pin.Image); err != nil {
			return nil, fmt.Errorf("%s:%d: production runs what staging does not: %w", pin.File, pin.Line, err)
		}
	}
	return moves, nil
}

// refuseEdited returns an error for a folder with uncommitted edits: they must not become
// part of the promotion.
func refuseEdited(ctx context.Context, moves []move) error {
	for _, m := range moves {
		for _, folder := range []string{m.overlay, filepath.Join(filepath.Dir(m.overlay), "staging")} {
			changes, err := git.Run(ctx, ".", nil, "status", "--porcelain", "--", folder)
			if err != nil {
				return err
			}
			if changes != "" {
				return fmt.Errorf("%s has changes that are not committed: commit or stash them first\n%s", folder, changes)
			}
		}
	}
	return nil
}
