//go:build linux

// Command growth measures how validate's time and memory grow with a repository. It
// generates typical repositories: clusters that share bases, substitution from each
// cluster's facts, a chart in the repository, and manifests that no kustomization lists.
//
// It measures and prints; validate's findings do not matter.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

func main() { os.Exit(execute(os.Args[1:])) }

func execute(args []string) int {
	var sizes []int
	command := &cobra.Command{
		Use: "growth", Short: "Measure validate on generated repositories", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), sizes, cmd.OutOrStdout()) },
	}
	command.Flags().IntSliceVar(&sizes, "clusters", []int{1, 2, 4, 16}, "how many `clusters` each repository has")
	return cli.Execute(command, args, os.Stdout, os.Stderr, 1)
}

// appsInCluster gives a cluster of about 310 objects.
const appsInCluster = 28

func run(ctx context.Context, sizes []int, out io.Writer) error {
	work, err := os.MkdirTemp("", "growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "validate")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./tools/validate").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "clusters\tobjects\ttime\tprocessor\tan object\tpeak memory")
	for _, clusters := range sizes {
		root := filepath.Join(work, strconv.Itoa(clusters))
		if err := generate(root, clusters, appsInCluster); err != nil {
			return err
		}
		m, err := measure(ctx, program, root)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%d\t%d\t%.1f s\t%.1f s\t%.2f ms\t%d MB\n", clusters, m.objects, m.time.Seconds(), m.processor.Seconds(),
			float64(m.processor.Microseconds())/1000/float64(m.objects), m.memory>>20)
	}
	return table.Flush()
}

// measurement is the result of one run of validate.
type measurement struct {
	objects         int
	time, processor time.Duration
	memory          int64 // the most, in bytes
}

var closingLine = regexp.MustCompile(`(?m)^(\d+) objects in \d+ clusters?`)

func measure(ctx context.Context, program, root string) (m measurement, err error) {
	cmd := exec.CommandContext(ctx, program, "--root", root)
	start := time.Now()
	text, err := cmd.CombinedOutput()
	m.time = time.Since(start)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return m, fmt.Errorf("validate: %w\n%s", err, text)
	}
	match := closingLine.FindSubmatch(text)
	if match == nil {
		return m, fmt.Errorf("validate has no closing line:\n%s", text)
	}
	m.objects, err = strconv.Atoi(string(match[1]))
	m.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.memory = usage.Maxrss << 10
	}
	return m, err
}
