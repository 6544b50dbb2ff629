package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the cluster and remove everything of it but the cache of built engines and layers",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paths, err := layout.Default()
			if err != nil {
				return usageError{err}
			}
			p, running := cluster.Running(paths)
			if err := cluster.Stop(paths); err != nil {
				return err
			}
			if running {
				fmt.Fprintf(cmd.OutOrStdout(), "ended the cluster (process %s); the engine cache stays in %s\n", p, paths.Cache)
			} else {
				fmt.Fprintln(cmd.OutOrStdout(), "the cluster is down")
			}
			return nil
		},
	}
}
