package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/diff"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/clusters"
)

// diff prints the differences between the revision and the working tree. Only failures in
// the working tree count for the exit code.
func (i *invocation) diff(ctx context.Context, options render.Options) error {
	// A cluster may be new, or removed.
	options.Optional = true
	memory, err := render.NewMemory()
	if err != nil {
		return err
	}
	defer memory.Close()
	options.Memory = memory
	after, err := load(ctx, options)
	if err != nil {
		return err
	}
	defer after.Close()
	options.Revision = i.revision
	before, err := load(ctx, options)
	if err != nil {
		return err
	}
	defer before.Close()
	compared := diff.Compare(before.Clusters, after.Clusters)
	if err := i.found(compared); err != nil {
		return err
	}
	switch i.format {
	case "json":
		err = diff.WriteJSON(i.stdout, compared)
	case "markdown":
		err = diff.WriteMarkdown(i.stdout, compared)
	default:
		err = diff.WriteText(i.stdout, compared, isTerminal(i.stdout))
	}
	if err != nil {
		return err
	}
	return report(i.stderr, after)
}

// found returns an error if a cluster of the command line is on neither side.
func (i *invocation) found(compared []diff.Cluster) error {
	for _, name := range i.clusters {
		if !slices.ContainsFunc(compared, func(c diff.Cluster) bool { return clusters.Selects(name, c.Path) }) {
			return fmt.Errorf("no cluster %s, neither now nor in %s", name, i.revision)
		}
	}
	if len(compared) == 0 {
		return fmt.Errorf("no cluster, neither now nor in %s: name the folders that root Kustomizations apply in %s, under clusters", i.revision,
			config.Name)
	}
	return nil
}

// isTerminal reports whether out shows colours, and the user wants them.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))
}
