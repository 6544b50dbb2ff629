package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the cluster and remove everything of it but the cache of built engines and layers",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paths, err := layout.Default()
			if err != nil {
				return cli.Usage(err)
			}
			ended, err := down(cmd, paths)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), ended)
			return nil
		},
	}
}

// down ends the cluster of the cache folder, and returns what it ended, for a message.
func down(cmd *cobra.Command, paths layout.Paths) (ended string, err error) {
	// Without the folder there is neither a cluster nor another command to wait for.
	if _, err := os.Stat(paths.Cache); !errors.Is(err, fs.ErrNotExist) {
		unlock, err := cluster.Lock(cmd.Context(), paths, cmd.OutOrStdout())
		if err != nil {
			return "", err
		}
		defer unlock()
	}
	p, running := cluster.Running(paths)
	if err := cluster.Stop(paths); err != nil {
		return "", err
	}
	if running {
		return fmt.Sprintf("ended the cluster (process %s); the engine cache stays in %s", p, paths.Cache), nil
	}
	return "the cluster is down", otherRuns(paths)
}
