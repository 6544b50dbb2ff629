package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
)

func newReconcile() *cobra.Command {
	timeout := 3 * time.Minute
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Ask Flux to pull and apply now, and wait until everything is ready",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive("timeout", timeout); err != nil {
				return err
			}
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			config, err := env.kubernetes()
			if err != nil {
				return err
			}
			defer env.log.Wipe() // before an error is printed
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not ready after %s", timeout))
			defer cancel()
			return flux.Reconcile(ctx, config, env.log)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait for everything to be ready")
	return cmd
}
