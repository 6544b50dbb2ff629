// Package command is the command line of simulate: it reads flags and writes predictions.
// Package bubble makes the runs, package outcome evaluates them.
//
// Exit codes: 0 predicted; 1 the queue is never drained, or an objective is not met; 2 it
// could not run.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/bubble"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/show"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// Execute runs one command line and returns the exit code.
func Execute(args []string, stdout, stderr io.Writer) int {
	return cli.Execute(newRoot(), args, stdout, stderr, 2)
}

// invocation is one command line.
type invocation struct {
	root, cluster, name string

	burst       int
	trace       string
	serviceTime string
	concurrency int
	nodes       int
	podsPerNode int
	maxNodes    int
	parts       []string
	listParts   bool

	diff    string
	tune    bool
	slo     string
	write   bool
	checks  bool
	compare string
	table   bool
	steady  bool

	phases  int
	format  string
	report  string
	stdout  io.Writer
	stderr  io.Writer
	changed func(flag string) bool
}

func newRoot() *cobra.Command {
	var i invocation
	root := &cobra.Command{
		Use:   "simulate",
		Short: "Predict how KEDA and the HPA scale a consumer, offline and in seconds",
		Example: `  simulate                                          the local cluster, a burst of 1,500 messages
  simulate --cluster production --trace sent.csv    the messages of a real day
  simulate --diff origin/main                       what a push changes
  simulate --tune --slo 'p99 <= 30s'                the cheapest settings that meet it
  simulate --service-time 200ms..2s --concurrency 4 somebody else's consumer`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i.stdout, i.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			i.changed = func(flag string) bool { return cmd.Flags().Changed(flag) }
			return i.run(cmd.Context())
		},
	}
	flags := root.Flags()
	flags.SortFlags = false
	flags.StringVar(&i.root, "root", "", "the repository's `folder` (default this one)")
	flags.StringVar(&i.cluster, "cluster", "local", "the `cluster` whose manifests are simulated")
	flags.StringVar(&i.name, "scaledobject", "", "the `ScaledObject`, as name or namespace/name (default the only one)")
	flags.IntVar(&i.burst, "burst", 1500, "how many `messages` are sent at once, beside the cluster's producer")
	flags.StringVar(
		&i.trace,
		"trace",
		"",
		"a CSV `file` of what is sent instead: seconds,messages, or CloudWatch's export of NumberOfMessagesSent",
	)
	flags.BoolVar(&i.steady, "steady", false, "with --trace, have the cluster's producer send beside it")
	flags.StringVar(&i.serviceTime, "service-time", "", "how long a consumer works on a message: a `duration`, or median..p99")
	flags.IntVar(&i.concurrency, "concurrency", 0, "on how many messages such a consumer works at a time (default 1)")
	flags.IntVar(&i.nodes, "nodes", 0, "how many nodes there are (default what the cluster declares)")
	flags.IntVar(&i.podsPerNode, "pods-per-node", 0, "how many of the pods a node holds (default by requests)")
	flags.IntVar(&i.maxNodes, "max-nodes", 0, "up to how many nodes an autoscaler brings (default none)")
	flags.StringArrayVar(&i.parts, "part", nil, "a modelled part as `name=value`, such as podStart=2s..9s; --parts lists them")
	flags.BoolVar(&i.listParts, "parts", false, "list the modelled parts with their values and sources, and end")
	flags.StringVar(&i.diff, "diff", "", "say what changed since a Git `revision`, before and after")
	flags.BoolVar(&i.tune, "tune", false, "search the settings that meet an objective at the least cost")
	flags.StringVar(&i.slo, "slo", "", "the `objective`, such as 'p99 <= 30s' (default the ScaledObject's annotation)")
	flags.BoolVar(&i.write, "write", false, "write what --tune found into the manifests, what --table made into "+document)
	flags.BoolVar(&i.checks, "check", false, "check that every ScaledObject meets its objective")
	flags.StringVar(&i.compare, "compare", "", "compare the prediction with a measured run, by its report.json `file`")
	flags.BoolVar(&i.table, "table", false, "predict every recorded run, and say how far off the predictions are")
	flags.IntVar(&i.phases, "phases", 200, "how many `runs`, each at another moment of the HPA's period")
	flags.StringVar(&i.format, "format", "text", "text or json; with --diff also markdown")
	flags.StringVar(&i.report, "report", "", "also write index.html, burst.svg and report.json into this `folder`")
	return root
}

func (i *invocation) run(ctx context.Context) error {
	if err := i.check(); err != nil {
		return cli.Usage(err)
	}
	if err := i.setPaths(); err != nil {
		return err
	}
	switch {
	case i.checks:
		return i.runCheck(ctx)
	case i.diff != "":
		return i.runDiff(ctx)
	case i.tune:
		return i.runTune(ctx)
	case i.compare != "":
		return i.runCompare(ctx)
	case i.table:
		return i.runTable(ctx)
	}
	return i.runOne(ctx)
}

// runOne predicts one scenario.
func (i *invocation) runOne(ctx context.Context) error {
	found, err := i.scenarioAt(ctx, "")
	if err != nil {
		return err
	}
	s := found.Scenario
	if i.listParts {
		return show.Parts(i.stdout, s.Parts)
	}
	predictions, err := i.predict(ctx, []scenario.Scenario{s}, false)
	if err != nil {
		return err
	}
	p := predictions[0]
	if i.report != "" {
		commit, uncommitted := state(ctx, i.root)
		if err := report.Write(i.report, show.Report(s, p, commit, uncommitted)); err != nil {
			return err
		}
	}
	if i.format == "json" {
		err = show.JSON(i.stdout, p)
	} else {
		err = show.Text(i.stdout, p)
	}
	if err == nil && i.report != "" && i.format == "text" {
		fmt.Fprintf(i.stdout, "\nthe report is %s\n", filepath.Join(i.report, "index.html"))
	}
	if err == nil && p.Drain.P50 < 0 {
		return cli.Said(1)
	}
	return err
}

func (i *invocation) check() error {
	modes := 0
	for _, mode := range []bool{i.diff != "", i.tune, i.checks, i.compare != "", i.table} {
		if mode {
			modes++
		}
	}
	switch {
	case modes > 1:
		return errors.New("--diff, --tune, --check, --compare and --table: choose one")
	case i.slo != "" && !i.tune:
		return errors.New("--slo goes with --tune")
	case i.write && !i.tune && !i.table:
		return errors.New("--write goes with --tune or --table")
	case i.format == "markdown" && i.diff == "":
		return errors.New("--format=markdown goes with --diff")
	case !slices.Contains([]string{"text", "json", "markdown"}, i.format):
		return fmt.Errorf("--format=%s: it is text or json, and with --diff also markdown", i.format)
	case i.phases < 1:
		return fmt.Errorf("--phases=%d: must be at least 1", i.phases)
	case i.burst < 1:
		return fmt.Errorf("--burst=%d: must be at least 1", i.burst)
	case i.trace != "" && i.changed("burst"):
		return errors.New("--burst and --trace: choose one")
	case i.concurrency < 0:
		return fmt.Errorf("--concurrency=%d: must be at least 1", i.concurrency)
	}
	return nil
}

// predict makes the runs of scenarios.
func (i *invocation) predict(ctx context.Context, scenarios []scenario.Scenario, slim bool) ([]outcome.Prediction, error) {
	return i.simulate(ctx, scenarios, bubble.Options{Phases: i.phases, Slim: slim})
}

func (i *invocation) simulate(ctx context.Context, scenarios []scenario.Scenario, o bubble.Options) ([]outcome.Prediction, error) {
	runs, err := i.runs(ctx, scenarios, o)
	if err != nil {
		return nil, err
	}
	predictions := make([]outcome.Prediction, len(scenarios))
	for n, s := range scenarios {
		predictions[n] = outcome.New(s, runs[n])
	}
	return predictions, nil
}

// runs shows the progress on a terminal.
func (i *invocation) runs(ctx context.Context, scenarios []scenario.Scenario, o bubble.Options) ([][]world.Run, error) {
	begun := time.Now()
	if isTerminal(i.stderr) {
		o.Progress = func(made, all int) {
			fmt.Fprintf(i.stderr, "\rrun %d of %d, %.0f s ", made, all, time.Since(begun).Seconds())
		}
		defer fmt.Fprint(i.stderr, "\r\x1b[K")
	}
	return bubble.Simulate(ctx, scenarios, o)
}
