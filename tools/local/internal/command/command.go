// Package command is the command line of the local cluster, one file per
// subcommand.
//
// Exit codes: 0 success, 1 failure, 2 the command line is wrong or the machine does not
// meet the requirements.
package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/preflight"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

const module = "github.com/mystique-unicorn/sales-events"

// Execute runs one command line and returns the exit code.
func Execute(args []string, stdout, stderr io.Writer) int {
	if err := preflight.ExtendPath(); err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	return cli.Execute(newRoot(), args, stdout, stderr, 1)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "local",
		Short: "Run the whole system on this machine: real Kubernetes, Flux and KEDA, no cloud account",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(newUp(), newDemo(), newSoak(), newRecord(), newDown(), newStatus(), newReconcile(), newSupervise())
	return root
}

// environment holds what every subcommand needs.
type environment struct {
	root    string // the checkout
	paths   layout.Paths
	engines engines.Set
	out     io.Writer
	log     *progress.Log
}

func newEnvironment(out io.Writer) (*environment, error) {
	root, err := findRoot()
	if err != nil {
		return nil, cli.Usage(err)
	}
	paths, err := layout.Default()
	if err != nil {
		return nil, cli.Usage(err)
	}
	set, err := engines.Load(filepath.Join(root, "tools", "engines"), paths.Engines())
	if err != nil {
		return nil, err
	}
	return &environment{root: root, paths: paths, engines: set, out: out, log: progress.New(out)}, nil
}

// findRoot finds the nearest parent folder that holds this module.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && modfile.ModulePath(data) == module {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of %s: change into one", start, module)
		}
	}
}

// kubernetes returns the configuration of a client of the running cluster.
func (e *environment) kubernetes() (*rest.Config, error) {
	if _, ok := cluster.Running(e.paths); ok {
		return e.restConfig()
	}
	if err := otherRuns(e.paths); err != nil {
		return nil, err
	}
	return nil, errors.New("the local cluster does not run: start it with `make up`")
}

// otherRuns returns an error if a cluster with another cache folder runs on this machine.
func otherRuns(paths layout.Paths) error {
	cache, found := cluster.Other(paths)
	if !found {
		return nil
	}
	return fmt.Errorf(
		"no local cluster of this user runs, but the one in %s does: run this as the user who started it, with sudo if that was root",
		cache,
	)
}

func (e *environment) restConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", e.paths.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	// Connections to the bridge must not go through the machine's proxy.
	config.Proxy = noProxy
	return config, nil
}
