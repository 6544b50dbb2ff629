package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/chaos"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/checkout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/demo"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor"
)

// soak holds the options of a soak.
type soak struct {
	events  int
	seed    uint64
	timeout time.Duration
	report  string
}

func newSoak() *cobra.Command {
	var opts upOptions
	s := soak{events: 1_000_000, timeout: 40 * time.Minute, report: filepath.Join("report", "soak")}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Send many events twice, without faults and while consumers are killed and AWS fails, and check that nothing is lost",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.events < 1 {
				return cli.Usage(fmt.Errorf("--events=%d: must be at least 1", s.events))
			}
			if err := errors.Join(positive("timeout", opts.timeout), positive("soak-timeout", s.timeout)); err != nil {
				return err
			}
			for _, dir := range []string{s.calm(), s.faulty()} {
				if err := makeFolder(dir); err != nil {
					return cli.Usage(fmt.Errorf("--report: %w", err))
				}
			}
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return env.soak(cmd.Context(), opts, s)
		},
	}
	opts.flags(cmd)
	cmd.Flags().IntVar(&s.events, "events", s.events, "how many events each of the two runs sends")
	cmd.Flags().Uint64Var(&s.seed, "seed", s.seed, "decides which calls fail and which consumers die; 0 draws one")
	cmd.Flags().DurationVar(&s.timeout, "soak-timeout", s.timeout, "how long each of the two runs may take")
	cmd.Flags().StringVar(&s.report, "report", s.report, "folder for the reports of both runs")
	return cmd
}

func (s soak) calm() string   { return filepath.Join(s.report, "without-faults") }
func (s soak) faulty() string { return filepath.Join(s.report, "with-faults") }

// producer are the settings of a soak's producer: fast, and with as few bad messages as a
// real stream.
var producer = map[string]string{"CONCURRENCY": "4", "BAD_MSG_PERCENT": "1"}

// fast makes Flux apply the consumer that works at full speed.
var fast = kustomize.Patch{
	Target: &kustomize.Selector{Kind: "Kustomization", Name: "consumer"},
	Patch:  `[{"op": "replace", "path": "/spec/path", "value": "./apps/consumer/deploy/soak"}]`,
}

// soak leaves the cluster running, with the consumer that it had before.
func (e *environment) soak(ctx context.Context, opts upOptions, s soak) (err error) {
	if _, err := e.up(ctx, opts); err != nil {
		return err
	}
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	e.log.Done("having Flux apply the consumer at full speed")
	defer func() {
		// The consumer is restored after an interrupted run, too.
		restoring, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), opts.timeout, fmt.Errorf("not ready after %s", opts.timeout))
		defer cancel()
		err = errors.Join(err, flux.Override(restoring, config, opts.patches(), e.log), handOver(s.report))
	}()
	if err := flux.Override(ctx, config, append(opts.patches(), fast), e.log); err != nil {
		return err
	}
	e.log.Done("sending %d events, without faults", s.events)
	calm, err := e.run(ctx, config, s, s.calm(), nil)
	if err != nil || !calm.Verdict.OK {
		return e.conclude(calm, err, s.calm())
	}
	faulty, broken, err := e.runBroken(ctx, config, s, calm.Verdict.TimeToDrain)
	if faulty.Verdict.Produced > 0 {
		e.compare(calm, faulty, broken)
	}
	return e.conclude(faulty, err, s.faulty())
}

// run makes one of the two runs.
func (e *environment) run(ctx context.Context, config *rest.Config, s soak, dir string, observe func(demo.Sample)) (demo.Report, error) {
	commit, uncommitted, err := checkout.State(ctx, e.root)
	if err != nil {
		return demo.Report{}, err
	}
	return demo.Run(ctx, demo.Options{
		Config: config, Burst: s.events, Producer: producer, Observe: observe, Out: e.out, Terminal: e.log.Terminal(),
		ReportDir: dir, Timeout: s.timeout, Commit: commit, Uncommitted: uncommitted, Processor: processor(),
	})
}

// runBroken makes the run with faults, and spreads them over the seconds that the run
// without faults took.
func (e *environment) runBroken(ctx context.Context, config *rest.Config, s soak, seconds float64) (demo.Report, chaos.Summary, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return demo.Report{}, chaos.Summary{}, err
	}
	if s.seed == 0 {
		s.seed = 1 + rand.Uint64N(1<<32)
	}
	e.log.Done("sending %d events, while consumers are killed and AWS fails (--seed=%d)", s.events, s.seed)
	breaking, err := chaos.Start(ctx, chaos.Options{Client: client, RestartAPIServer: e.restartAPIServer, Seed: s.seed, Say: e.log.Done})
	if err != nil {
		return demo.Report{}, chaos.Summary{}, err
	}
	report, err := e.run(ctx, config, s, s.faulty(), func(sample demo.Sample) {
		// The share is of the time: counting stored objects takes too long while they
		// change.
		passed := sample.Seconds / seconds
		breaking.Observe(passed)
		// The consumers hold the last messages, and reading the results must not fail.
		if passed > chaos.Enough && sample.Visible == 0 {
			_, _ = breaking.Stop(context.WithoutCancel(ctx))
		}
	})
	broken, stopErr := breaking.Stop(context.WithoutCancel(ctx))
	return report, broken, errors.Join(err, stopErr)
}

func (e *environment) restartAPIServer() error {
	p, running := cluster.Running(e.paths)
	if !running {
		return errors.New("the local cluster does not run: start it with `make up`")
	}
	return unix.Kill(p.PID, supervisor.Restart)
}

// compare prints the faults and how much longer the run took with them.
func (e *environment) compare(calm, faulty demo.Report, broken chaos.Summary) {
	table := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name, a, b string) { fmt.Fprintf(table, "%s\t%s\t%s\t\n", name, a, b) }
	number := func(name, format string, of func(demo.Report) float64) {
		row(name, fmt.Sprintf(format, of(calm)), fmt.Sprintf(format, of(faulty)))
	}
	row("", "without faults", "with faults")
	number("lost", "%.0f", func(r demo.Report) float64 { return float64(len(r.Verdict.Lost)) })
	number("drained after, s", "%.0f", func(r demo.Report) float64 { return r.Verdict.TimeToDrain })
	number("events a second", "%.0f", func(r demo.Report) float64 { return r.Throughput.Mean })
	number("latency p50, s", "%.1f", func(r demo.Report) float64 { return r.Latency.P50 })
	number("latency p99, s", "%.1f", func(r demo.Report) float64 { return r.Latency.P99 })
	number("consumers at the peak", "%.0f", func(r demo.Report) float64 { return float64(r.Verdict.PeakReplicas) })
	row("consumers killed", "0", strconv.Itoa(broken.Kills))
	for _, name := range slices.Sorted(maps.Keys(broken.Faults)) {
		row(name, "0", strconv.Itoa(broken.Faults[name]))
	}
	_ = table.Flush()
	for _, blow := range broken.Blows {
		fmt.Fprintln(e.out, blow)
	}
	if calm.Verdict.TimeToDrain > 0 && faulty.Verdict.TimeToDrain > 0 {
		fmt.Fprintf(e.out, "the faults cost %.2f times the time\n", faulty.Verdict.TimeToDrain/calm.Verdict.TimeToDrain)
	}
}
