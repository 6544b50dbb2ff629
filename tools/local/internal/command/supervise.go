package command

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor"
)

func newSupervise() *cobra.Command {
	return &cobra.Command{
		Use:    cluster.SuperviseCommand,
		Short:  "Be the first process of the cluster's namespaces (started by up)",
		Hidden: true,
		Args:   cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var opts supervisor.Options
			if err := json.Unmarshal([]byte(os.Getenv(cluster.OptionsVariable)), &opts); err != nil {
				return cli.Usage(fmt.Errorf("the supervisor is started by `make up`, not by hand: %w", err))
			}
			return supervisor.Run(cmd.Context(), opts, os.Stdin, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
}
