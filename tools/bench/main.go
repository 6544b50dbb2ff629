//go:build linux

// Command bench compares validate with the usual alternative: `kustomize build` of each
// overlay, piped to kubeconform. Both get the same repository, and schemas from the same
// definitions, in turns on this machine. The pipeline does less: kubeconform skips kinds
// that only the repository defines, such as composite resources, and sees neither
// substituted values nor charts nor composed resources.
//
// It measures and prints; findings do not matter.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

func main() { os.Exit(execute(os.Args[1:])) }

func execute(args []string) int {
	var root string
	var clusters []string
	var runs int
	command := &cobra.Command{
		Use: "bench", Short: "Compare validate with kustomize and kubeconform", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), root, clusters, max(1, runs), cmd.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&root, "root", ".", "the repository's `folder`")
	flags.IntVar(&runs, "runs", 7, "how `often` each of the two runs")
	flags.StringArrayVar(&clusters, "cluster", nil, "the `cluster` to check, by name or folder (default all)")
	return cli.Execute(command, args, os.Stdout, os.Stderr, 1)
}

func run(ctx context.Context, root string, clusters []string, runs int, out io.Writer) error {
	work, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(ctx, work); err != nil {
		return err
	}
	if err := writeSchemas(archive, filepath.Join(work, "schemas")); err != nil {
		return err
	}
	overlays, err := findOverlays(ctx, root, clusters)
	if err != nil {
		return err
	}
	programs := programs{dir: work, root: root, clusters: clusters, overlays: overlays}
	var validate, pipeline series
	for range runs {
		// In turns, so that other load on the machine affects both.
		if err := validate.add(ctx, programs.validate); err != nil {
			return err
		}
		if err := pipeline.add(ctx, programs.pipeline); err != nil {
			return err
		}
	}
	return report(out, len(overlays), validate, pipeline)
}

func report(out io.Writer, overlays int, validate, pipeline series) error {
	_, err := fmt.Fprintf(out, "validate is %.1f times as fast as kustomize and kubeconform: %d overlays, %d runs each, %d processors\n\n",
		float64(pipeline.median())/float64(validate.median()), overlays, len(validate.times), runtime.NumCPU())
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\tmedian\tfastest\tpeak memory")
	for _, row := range []struct {
		name string
		series
	}{{"validate", validate}, {"kustomize | kubeconform", pipeline}} {
		fmt.Fprintf(table, "%s\t%d ms\t%d ms\t%d MB\n", row.name, milliseconds(row.median()), milliseconds(row.fastest()), row.memory/1e6)
	}
	return table.Flush()
}

func milliseconds(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
