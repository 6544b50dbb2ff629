package command

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
)

func newStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show every Flux object, whether it is ready, and why not",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			config, err := env.kubernetes()
			if err != nil {
				return err
			}
			objects, err := flux.Status(cmd.Context(), config)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "KIND\tNAMESPACE\tNAME\tREADY\tREVISION\tREASON")
			for _, o := range objects {
				fmt.Fprintf(table, "%s\t%s\t%s\t%t\t%s\t%s\n", o.Kind, o.Namespace, o.Name, o.Ready, o.Revision, o.Reason)
			}
			return table.Flush()
		},
	}
}
