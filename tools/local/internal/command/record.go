package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/checkout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/demo"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/recorder"
)

func newRecord() *cobra.Command {
	var opts upOptions
	within, timeout := time.Duration(0), 5*time.Minute
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Measure those runs of docs/simulate.md that are not recorded yet",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(positive("timeout", opts.timeout), positive("run-timeout", timeout)); err != nil {
				return err
			}
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return env.record(cmd.Context(), opts, timeout, within)
		},
	}
	opts.flags(cmd)
	cmd.Flags().DurationVar(&timeout, "run-timeout", timeout, "how long a run may take")
	cmd.Flags().DurationVar(&within, "within", within, "begin no run after so long (default all runs)")
	return cmd
}

// mostFailures is how many runs in a row may fail. After that the reason is not in the
// runs.
const mostFailures = 3

// record leaves the cluster running, with the checkout's manifests.
func (e *environment) record(ctx context.Context, opts upOptions, timeout, within time.Duration) (err error) {
	begun := time.Now()
	if _, err := e.up(ctx, opts); err != nil {
		return err
	}
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	r := &recordings{environment: e, config: config, timeout: timeout, folder: filepath.Join(e.root, filepath.FromSlash(recording.Folder))}
	if r.clients, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if r.tree, err = os.MkdirTemp("", "sales-events-recorded-"); err != nil {
		return err
	}
	defer func() {
		restoring, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), opts.timeout, fmt.Errorf("not ready after %s", opts.timeout))
		defer cancel()
		err = errors.Join(err, os.RemoveAll(r.tree), e.sync(restoring, opts))
	}()
	if err := makeFolder(r.folder); err != nil {
		return err
	}
	missing, failed := 0, 0
	for n, run := range recorder.Plan() {
		if _, err := os.Stat(recording.File(r.folder, run.Name())); err == nil {
			continue
		}
		if missing++; within > 0 && time.Since(begun) > within {
			continue
		}
		e.log.Done("run %d of %d: %s", n+1, len(recorder.Plan()), run.Name())
		if err := r.measure(ctx, run); err != nil {
			if ctx.Err() != nil {
				return err
			}
			e.log.Done("not recorded: %v", err)
			if failed++; failed == mostFailures {
				return fmt.Errorf("%d runs in a row failed: %w", failed, err)
			}
			continue
		}
		failed = 0
		missing--
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d runs are not recorded: run this again to make them", missing, len(recorder.Plan()))
	}
	e.log.Done("all %d runs are in %s", len(recorder.Plan()), recording.Folder)
	return nil
}

// recordings is the state of one call of record.
type recordings struct {
	*environment
	config  *rest.Config
	clients kubernetes.Interface
	timeout time.Duration
	folder  string
	// tree is the folder with the manifests of setting; setting is empty before the first
	// run. found is the scenario in them.
	tree    string
	setting string
	found   scenario.Found
}

// measure makes a run and saves its recording.
func (r *recordings) measure(ctx context.Context, run recorder.Planned) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("not over after %s", r.timeout))
	defer cancel()
	if run.Setting != r.setting {
		if err := r.set(ctx, run.Setting); err != nil {
			return fmt.Errorf("the setting %s: %w", run.Setting, err)
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(run.Wait):
	}
	lives, err := recorder.Watch(ctx, r.clients, r.found.ScaledObject.Namespace)
	if err != nil {
		return err
	}
	o := demo.Options{
		Config:    r.config,
		Out:       io.Discard,
		ReportDir: filepath.Join(r.root, "report", "recorded"),
		Timeout:   r.timeout,
		Processor: processor(),
	}
	if err := errors.Join(makeFolder(o.ReportDir), r.setShape(&o, run.Shape)); err != nil {
		return err
	}
	if o.Commit, _, err = checkout.State(ctx, r.root); err != nil {
		return err
	}
	measured, err := demo.Run(ctx, o)
	if err := errors.Join(err, handOver(o.ReportDir)); err != nil {
		return err
	}
	if !measured.Verdict.OK {
		return errors.New(strings.Join(measured.Verdict.Reasons, "; "))
	}
	if err := r.load(run.Shape); err != nil {
		return err
	}
	kept := recording.New(measured, r.found.Scenario, lives.Since(measured.Started))
	kept.Name, kept.Shape, kept.Setting, kept.HeldOut = run.Name(), run.Shape, run.Setting, run.HeldOut()
	if err := recording.Write(r.folder, kept); err != nil {
		return err
	}
	if !kept.HeldOut {
		r.log.Done("recorded: drained after %.1f s, %.0f consumers", kept.Figures.Drain, kept.Figures.Peak)
	}
	return handOver(r.folder)
}

// set makes Flux apply the manifests of a setting, as it applies a push.
func (r *recordings) set(ctx context.Context, setting string) error {
	r.setting = ""
	if err := errors.Join(os.RemoveAll(r.tree), os.Mkdir(r.tree, 0o755)); err != nil {
		return err
	}
	if err := recorder.Tree(ctx, r.root, setting, r.tree); err != nil {
		return err
	}
	if err := checkout.Push(ctx, r.tree, repository, true); err != nil {
		return err
	}
	if err := flux.Fetch(ctx, r.config, r.log); err != nil {
		return err
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	if err := r.applied(ctx); err != nil {
		return err
	}
	r.setting = setting
	return nil
}

// find reads the scenario of the setting's manifests.
func (r *recordings) find(ctx context.Context) error {
	var found []scenario.Found
	if err := r.ask(ctx, "tools/scenario", &found, "--root", r.tree, "--cluster", "local"); err != nil {
		return fmt.Errorf("read the ScaledObject: %w", err)
	}
	if len(found) != 1 {
		return fmt.Errorf("the local cluster has %d ScaledObjects, want one", len(found))
	}
	r.found = found[0]
	return nil
}

// load gives the scenario the load of a run.
func (r *recordings) load(shape string) error {
	file := r.traceFile(shape)
	t, err := scenario.LoadTrace(file)
	if err != nil {
		return err
	}
	r.found.Send(scenario.Replayed(r.found.Producer, filepath.Base(file), t), true)
	return nil
}

// applied waits until KEDA's HPA has the setting's values.
func (r *recordings) applied(ctx context.Context) error {
	so := r.found.ScaledObject
	for {
		h, err := r.clients.AutoscalingV2().HorizontalPodAutoscalers(so.Namespace).Get(ctx, "keda-hpa-"+so.Name, metav1.GetOptions{})
		if err == nil && recorder.Scales(h, r.found.Scenario) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("KEDA's HPA did not take the setting's values: %w", context.Cause(ctx)), err)
		case <-time.After(time.Second):
		}
	}
}
