// Package command is the command line of scenario: it reads flags and writes scenarios.
package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/clusters"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
	"github.com/mystique-unicorn/sales-events/tools/scenario/internal/read"
)

// Execute runs one command line and returns the exit code.
func Execute(args []string, stdout, stderr io.Writer) int {
	// kustomize writes warnings of deprecated fields there, at each build and without the
	// file's name.
	os.Stderr = nil
	return cli.Execute(newRoot(), args, stdout, stderr, 2)
}

// invocation is one command line.
type invocation struct {
	root, cluster, name, revision string
	objectives, optional          bool
	serviceTime                   string
	concurrency                   int
}

func newRoot() *cobra.Command {
	var i invocation
	root := &cobra.Command{
		Use:   "scenario",
		Short: "Write what simulate needs to know of a ScaledObject, as JSON",
		Args:  cli.NoArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return i.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	flags := root.Flags()
	flags.SortFlags = false
	flags.StringVar(&i.root, "root", ".", "the repository's `folder`")
	flags.StringVar(&i.cluster, "cluster", "local", "the `cluster` that the ScaledObject is applied to")
	flags.StringVar(&i.name, "scaledobject", "", "its `name`, or namespace/name (default the only one)")
	flags.StringVar(&i.revision, "revision", "", "a Git `revision` (default the working tree)")
	flags.BoolVar(&i.objectives, "objectives", false, "all ScaledObjects of all clusters that have an objective, instead of one")
	flags.BoolVar(&i.optional, "optional", false, "write an empty list where there is no such ScaledObject, instead of an error")
	flags.StringVar(&i.serviceTime, "service-time", "", "the time that its consumer needs for a message, if it is not this repository's")
	flags.IntVar(&i.concurrency, "concurrency", 0, "the number of messages that it handles at a time")
	return root
}

func (i *invocation) run(ctx context.Context, out io.Writer) error {
	o := read.Options{Concurrency: i.concurrency}
	if i.serviceTime != "" {
		service, err := parts.ParseDistribution(i.serviceTime)
		if err != nil {
			return cli.Usage(fmt.Errorf("--service-time: %w", err))
		}
		o.Service = &service
	}
	settings, err := config.Read(i.root)
	if err != nil {
		return err
	}
	repository, err := i.load(ctx, settings)
	if err != nil {
		return err
	}
	defer repository.Close()
	chosen, err := i.choose(read.Find(repository.Clusters, settings))
	if err != nil {
		return err
	}
	found := []scenario.Found{}
	for _, so := range chosen {
		f, err := so.Read(o)
		if err != nil {
			return err
		}
		found = append(found, f)
	}
	return json.NewEncoder(out).Encode(found)
}

// load renders the cluster, or all clusters if a hub may apply it.
func (i *invocation) load(ctx context.Context, settings config.Config) (*model.Repository, error) {
	options := render.Options{Root: i.root, Config: settings, Revision: i.revision}
	for _, folder := range settings.Clusters {
		if !i.objectives && clusters.Selects(i.cluster, folder) {
			options.Clusters = []string{folder}
		}
	}
	return model.Load(ctx, model.Options{Options: options, Catalog: schema.Builtin(), Functions: inprocess.Functions(settings.Workloads)})
}

// choose finds the ScaledObjects that the flags select.
func (i *invocation) choose(all []read.ScaledObject) ([]read.ScaledObject, error) {
	if i.objectives {
		return slices.DeleteFunc(all, func(so read.ScaledObject) bool { return so.Objective() == "" }), nil
	}
	var chosen []read.ScaledObject
	var there, clusters []string
	for _, so := range all {
		clusters = append(clusters, so.ClusterName())
		if so.ClusterName() != i.cluster {
			continue
		}
		there = append(there, so.Path())
		if i.name == "" || i.name == so.Object.GetName() || i.name == so.Path() {
			chosen = append(chosen, so)
		}
	}
	slices.Sort(clusters)
	switch {
	case len(chosen) == 1:
		return chosen, nil
	case len(chosen) > 1:
		return nil, cli.Usage(fmt.Errorf("cluster %s has several: choose with --scaledobject: %s", i.cluster, strings.Join(there, ", ")))
	case i.optional:
		return nil, nil
	case len(there) > 0:
		return nil, cli.Usage(fmt.Errorf("cluster %s has no ScaledObject %s, but %s", i.cluster, i.name, strings.Join(there, ", ")))
	case len(clusters) > 0:
		return nil, cli.Usage(fmt.Errorf("cluster %s has no ScaledObject; these have: %s", i.cluster,
			strings.Join(slices.Compact(clusters), ", ")))
	}
	return nil, cli.Usage(fmt.Errorf("no cluster of %s has a ScaledObject", i.root))
}
