package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/checkout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/coredns"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/flux"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/gitserver"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/images"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/preflight"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor"
)

// repository is this repository's address in the local cluster.
const repository = "http://" + layout.Git + "/sales-events.git"

type upOptions struct {
	worktree       bool
	withoutNetwork bool
	timeout        time.Duration
}

func (o *upOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.worktree, "worktree", false, "push the working tree with its uncommitted changes instead of HEAD")
	cmd.Flags().BoolVar(&o.withoutNetwork, "without-network", false,
		"leave out the network and the EKS cluster, which the local AWS simulates; nothing runs on them")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 8*time.Minute, "how long the cluster may take to become ready, without building")
}

// patches returns the patches of the root Kustomization.
func (o *upOptions) patches() []kustomize.Patch {
	if !o.withoutNetwork {
		return nil
	}
	return []kustomize.Patch{{
		Target: &kustomize.Selector{Kind: "Kustomization", Name: "platform-cluster"},
		Patch: `{"$patch": "delete", "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", ` +
			`"metadata": {"name": "platform-cluster"}}`,
	}}
}

// positive returns an error for a duration that is not positive.
func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return cli.Usage(fmt.Errorf("--%s=%s: must be longer than 0s", flag, d))
	}
	return nil
}

func newUp() *cobra.Command {
	var opts upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, push this repository to its Git server and wait until Flux has applied it",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive("timeout", opts.timeout); err != nil {
				return err
			}
			env, err := newEnvironment(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if _, err := env.up(cmd.Context(), opts); err != nil {
				return err
			}
			env.printAccess()
			return nil
		},
	}
	opts.flags(cmd)
	return cmd
}

// up brings the cluster to the state of the checkout. started reports whether the cluster
// was down before. After an error or the end of ctx, a cluster that this call started is
// down again.
func (e *environment) up(ctx context.Context, opts upOptions) (started bool, err error) {
	defer e.log.Wipe() // before an error is printed
	// Without this check a machine that cannot run the cluster would get a cache folder.
	if _, err := os.Stat(e.paths.Cache); errors.Is(err, fs.ErrNotExist) {
		if err := e.prepareMachine(ctx); err != nil {
			return false, err
		}
	}
	unlock, err := cluster.Lock(ctx, e.paths, e.log)
	if err != nil {
		return false, err
	}
	defer unlock()
	if p, ok := cluster.Running(e.paths); ok {
		e.log.Done("the cluster is up (process %s)", p)
		ctx, cancel := context.WithTimeoutCause(ctx, opts.timeout, fmt.Errorf("not ready after %s", opts.timeout))
		defer cancel()
		return false, e.sync(ctx, opts)
	}
	// The preflight checks must not see what an earlier cluster left.
	if err := cluster.Stop(e.paths); err != nil {
		return false, err
	}
	if err := e.prepareMachine(ctx); err != nil {
		return false, err
	}
	built, err := e.build(ctx)
	if err != nil {
		return false, err
	}
	return true, e.startCluster(ctx, opts, built)
}

// programs are the parts of the checkout, besides its manifests, that a start installs.
type programs struct {
	images      []image.Spec
	fingerprint string
}

// build compiles everything first, so that nothing runs that would have to wait for it.
func (e *environment) build(ctx context.Context) (programs, error) {
	memory, err := preflight.AvailableMemory()
	if err != nil {
		return programs{}, err
	}
	if err := e.engines.Build(ctx, memory, e.log); err != nil {
		return programs{}, err
	}
	specs, err := images.Specs(ctx, e.root, e.engines)
	if err != nil {
		return programs{}, err
	}
	// The fingerprint is taken before compiling: if the sources change meanwhile, the
	// next start sees that the cluster differs.
	fingerprint, err := e.fingerprint(ctx, specs)
	if err != nil {
		return programs{}, err
	}
	compiled, err := images.Compile(ctx, e.root, specs, e.paths.Programs(), e.log)
	return programs{compiled, fingerprint}, err
}

// prepareMachine installs the missing packages.
func (e *environment) prepareMachine(ctx context.Context) error {
	start := preflight.Start{Checkout: e.root, Paths: e.paths, Engines: e.engines}
	if err := start.Prepare(ctx, e.log); err != nil {
		return cli.Usage(err)
	}
	return nil
}

func (e *environment) startCluster(ctx context.Context, opts upOptions, built programs) (err error) {
	folders := map[string]string{}
	for name, engine := range e.engines {
		folders[name] = filepath.Base(engine.Bin)
	}
	c, err := cluster.Start(e.paths, supervisor.Options{Programs: folders, SandboxImage: images.Sandbox})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w%s", err, stopAfter(e.paths))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, opts.timeout, fmt.Errorf("not ready after %s", opts.timeout))
	defer cancel()
	e.log.Done("started the cluster (process %s, logs in %s)", c.Process, e.paths.Logs())
	if err := c.Guard(ctx, func(ctx context.Context) error { return e.fill(ctx, c, opts, built) }); err != nil {
		return err
	}
	e.log.Done("everything is ready")
	return c.Detach()
}

// fill installs everything in a cluster that has just started, and waits until it is
// ready.
func (e *environment) fill(ctx context.Context, c *cluster.Cluster, opts upOptions, built programs) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.pushImages(groupCtx, c, built) })
	group.Go(func() error { return e.publish(groupCtx, c, opts) })
	group.Go(func() error { return e.install(groupCtx, c, opts) })
	if err := group.Wait(); err != nil {
		return err
	}
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	return flux.WaitReady(ctx, config, e.log)
}

// stopAfter ends a cluster that failed to start. It saves the logs of the cluster's
// programs, which would be deleted with it.
func stopAfter(paths layout.Paths) string {
	kept := filepath.Join(paths.Cache, "last-failure")
	_ = os.RemoveAll(kept)
	note := ""
	if err := os.Rename(paths.Logs(), kept); err == nil {
		note = "\nthe logs are kept in " + kept
	}
	if err := cluster.Stop(paths); err != nil {
		note += fmt.Sprintf("\nand it could not be stopped: %v", err)
	}
	return note
}

// sync updates a running cluster to the checkout's state.
func (e *environment) sync(ctx context.Context, opts upOptions) error {
	if err := e.checkSame(ctx); err != nil {
		return err
	}
	if err := checkout.Push(ctx, e.root, repository, opts.worktree); err != nil {
		return err
	}
	e.log.Done("its programs and pins are this checkout's; pushed the manifests to %s", repository)
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	if err := flux.SetPatches(ctx, config, opts.patches()); err != nil {
		return err
	}
	if err := flux.Fetch(ctx, config, e.log); err != nil {
		return err
	}
	e.log.Done("everything is ready")
	return nil
}

func (e *environment) pushImages(ctx context.Context, c *cluster.Cluster, built programs) error {
	if err := c.WaitServing(ctx); err != nil {
		return err
	}
	set, err := images.Push(ctx, built.images, e.paths.Programs(), layout.Registry, e.log)
	if err != nil {
		return err
	}
	// Nothing else has been pushed to the registry yet.
	if err := set.Keep(e.paths.Blobs()); err != nil {
		return err
	}
	if err := os.WriteFile(e.paths.Fingerprint(), []byte(built.fingerprint), 0o644); err != nil {
		return fmt.Errorf("keep what the cluster was started with: %w", err)
	}
	return nil
}

// publish fills the Git server with this repository, and with the pinned sources of KEDA
// and Crossplane under their upstream tags. Flux builds KEDA's manifests and takes
// Crossplane's chart from them.
func (e *environment) publish(ctx context.Context, c *cluster.Cluster, opts upOptions) error {
	root := filepath.Join(e.paths.State(), "git")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"keda", "crossplane"} {
		engine := e.engines[name]
		source, err := engine.SourceOf(ctx, engine.Module)
		if err != nil {
			return err
		}
		if err := gitserver.PublishTree(ctx, root, name+".git", source, engine.Version); err != nil {
			return err
		}
	}
	if err := gitserver.InitBare(ctx, root, "sales-events.git"); err != nil {
		return err
	}
	if err := c.WaitServing(ctx); err != nil {
		return err
	}
	if err := checkout.Push(ctx, e.root, repository, opts.worktree); err != nil {
		return err
	}
	e.log.Done("pushed this repository to %s", repository)
	return nil
}

// install applies what must exist before Flux can work: DNS and Flux itself.
func (e *environment) install(ctx context.Context, c *cluster.Cluster, opts upOptions) error {
	controllers, err := flux.Controllers(ctx, e.engines)
	if err != nil {
		return err
	}
	if err := c.WaitFile(ctx, e.paths.Kubeconfig()); err != nil {
		return err
	}
	config, err := e.restConfig()
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	client.Timeout = 2 * time.Second
	if err := c.WaitAPI(ctx, client); err != nil {
		return err
	}
	e.log.Done("the Kubernetes API answers")
	if err := flux.Apply(ctx, config, coredns.Manifest(e.engines["coredns"].Version)); err != nil {
		return err
	}
	if err := flux.Install(ctx, config, flux.Options{
		Controllers: controllers, GitURL: repository, Branch: "main", Path: "./clusters/local", Interval: 10 * time.Second,
		Patches: opts.patches(),
	}); err != nil {
		return err
	}
	e.log.Done("installed Flux")
	return nil
}

func (e *environment) printAccess() {
	kubectl := e.engines["kubernetes"].Program("kubectl")
	fmt.Fprintf(e.out, `
export KUBECONFIG=%s
alias kubectl=%s
Git: git push %s HEAD:main    stop: make down
`, e.paths.Kubeconfig(), kubectl, repository)
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }
