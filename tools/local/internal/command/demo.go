package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/checkout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/demo"
)

func newDemo() *cobra.Command {
	var opts upOptions
	o, shape, predicts := demo.Options{Burst: 1500, Timeout: 6 * time.Minute, ReportDir: "report"}, "", true
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Bring the cluster up, send a burst, watch the consumers scale, and check that nothing is lost",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Burst < 1 {
				return cli.Usage(fmt.Errorf("--burst=%d: must be at least 1", o.Burst))
			}
			if err := errors.Join(positive("timeout", opts.timeout), positive("demo-timeout", o.Timeout)); err != nil {
				return err
			}
			// Checked now, not after minutes, when the report is written.
			if err := makeFolder(o.ReportDir); err != nil {
				return cli.Usage(fmt.Errorf("--report: %w", err))
			}
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if shape != "" {
				if err := env.setShape(&o, shape); err != nil {
					return cli.Usage(fmt.Errorf("--trace: %w", err))
				}
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			expected := make(chan *report.Prediction, 1)
			go func() {
				defer close(expected)
				if predicts {
					expected <- env.predict(ctx, o.Burst, shape)
				}
			}()
			err = env.demo(ctx, opts, o, expected)
			cancel()
			<-expected // wait for its process to end
			return err
		},
	}
	opts.flags(cmd)
	cmd.Flags().IntVar(&o.Burst, "burst", o.Burst, "how many messages to send at once; with a queueLength of 50, "+
		"a hundred and more must scale, a thousand and more to ten consumers")
	cmd.Flags().DurationVar(&o.Timeout, "demo-timeout", o.Timeout, "how long the burst may take")
	cmd.Flags().StringVar(&o.ReportDir, "report", o.ReportDir, "folder for index.html, burst.svg and report.json")
	cmd.Flags().StringVar(&shape, "trace", "", "replay a trace of "+traces+" instead of a burst, by its `name`")
	cmd.Flags().BoolVar(&predicts, "predict", predicts,
		"simulate the burst while the cluster starts, for the report to draw the measured run in the predicted band")
	return cmd
}

// demo leaves the cluster running for the user to look at, unless it started the cluster
// itself and was interrupted. It waits for the prediction before it sends the burst, so
// that the machine does not work on both.
func (e *environment) demo(ctx context.Context, opts upOptions, o demo.Options, expected <-chan *report.Prediction) error {
	started, err := e.up(ctx, opts)
	if err != nil {
		return err
	}
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	commit, uncommitted, err := checkout.State(ctx, e.root)
	if err != nil {
		return err
	}
	o.Prediction = <-expected
	e.log.Done("sending a burst of %d messages", o.Burst)
	o.Config, o.Out, o.Terminal = config, e.out, e.log.Terminal()
	o.Commit, o.Uncommitted, o.Processor = commit, uncommitted, processor()
	run, err := demo.Run(ctx, o)
	err = errors.Join(err, handOver(o.ReportDir))
	if err := e.conclude(run, err, o.ReportDir); err != nil {
		if started && ctx.Err() != nil {
			err = errors.Join(err, e.stop(context.WithoutCancel(ctx)))
		}
		return err
	}
	e.printAccess()
	return nil
}

// processor returns the model of this machine's processor; empty if the kernel does not
// name it, as on Arm.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, model, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return ""
}

// stop ends the cluster, unless another command is about to use it.
func (e *environment) stop(ctx context.Context) error {
	unlock, err := cluster.Lock(ctx, e.paths, e.log)
	if err != nil {
		return err
	}
	defer unlock()
	return cluster.Stop(e.paths)
}

// conclude prints the verdict. An unfinished run has a verdict, too, if its burst was
// sent.
func (e *environment) conclude(run demo.Report, err error, report string) error {
	if run.Verdict.Produced > 0 {
		fmt.Fprintln(e.out, run.Verdict)
		if tail := run.Tail(); tail != "" {
			e.log.Done("%s", tail)
		}
		for _, c := range run.Comparison() {
			predicted, measured, off := c.Words()
			e.log.Done("%s: predicted %s, measured %s, the median is off by %s", c.Name, predicted, measured, off)
		}
		e.log.Done("the report is %s", filepath.Join(report, "index.html"))
	}
	if err == nil && !run.Verdict.OK {
		err = errors.New("the demo failed, see above")
	}
	return err
}
