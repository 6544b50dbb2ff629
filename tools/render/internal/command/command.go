// Package command is the command line of render: it reads flags, writes documents, and is
// the one place that prints an error and chooses the exit code.
// tools/internal/gitops/render decides what Flux would apply, tools/internal/gitops/diff
// what differs.
//
// Exit codes: 0 rendered, perhaps with unknown parts; 1 Flux would reject something; 2 it
// could not run.
package command

import (
	"context"
	"errors"
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
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// errRefused means that Flux would reject something, which has been printed.
var errRefused = cli.Said(1)

// Execute runs one command line and returns the exit code. SIGINT and SIGTERM
// cancel it.
func Execute(args []string, stdout, stderr io.Writer) int {
	// kustomize writes warnings of deprecated fields there, at each build and without the
	// file's name.
	os.Stderr = nil
	return cli.Execute(newRoot(), args, stdout, stderr, 2)
}

// invocation is one command line.
type invocation struct {
	root     string
	clusters []string
	charts   []string
	out      string
	revision string
	format   string
	flux     string

	stdout, stderr io.Writer
}

func newRoot() *cobra.Command {
	var i invocation
	root := &cobra.Command{
		Use:   "render",
		Short: "Print what Flux would apply, or with --diff what a push would change, offline",
		Example: `  render                                every object of every cluster, in Flux's order
  render --cluster staging --out build  one file per object
  render --diff origin/main             what a push would change`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i.stdout, i.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return i.run(cmd.Context())
		},
	}
	flags := root.Flags()
	flags.SortFlags = false
	flags.StringVar(&i.root, "root", ".", "the repository's `folder`")
	flags.StringSliceVar(&i.clusters, "cluster", nil, "the `cluster`s to render, by folder or the end of it (default all)")
	flags.StringSliceVar(&i.charts, "charts", nil, "a `folder` with charts of Helm repositories, as helm pull leaves them")
	flags.StringVar(&i.out, "out", "-", "the `folder` to write one file per object to, or - for one stream")
	flags.StringVar(&i.revision, "diff", "", "print what changed since a Git `revision`")
	flags.StringVar(&i.format, "format", "", "yaml or json; with --diff text, markdown or json")
	flags.StringVar(&i.flux, "flux", "",
		"the `version` of Flux (default what the cluster says); before 2.9 a variable without value becomes empty")
	return root
}

func (i *invocation) run(ctx context.Context) error {
	formats := []string{"yaml", "json"}
	if i.revision != "" {
		formats = []string{"text", "markdown", "json"}
		if i.out != "-" {
			return errors.New("--out: a difference goes to standard output only")
		}
	}
	if i.format == "" {
		i.format = formats[0]
	}
	if !slices.Contains(formats, i.format) {
		return fmt.Errorf("--format=%s: want one of %s", i.format, strings.Join(formats, ", "))
	}
	settings, err := config.Read(i.root)
	if err != nil {
		return err
	}
	options := render.Options{Root: i.root, Clusters: i.clusters, Charts: i.charts, Flux: i.flux, Config: settings}
	if i.revision != "" {
		return i.diff(ctx, options)
	}
	return i.objects(ctx, options)
}

func (i *invocation) objects(ctx context.Context, options render.Options) error {
	repository, err := load(ctx, options)
	if err != nil {
		return err
	}
	defer repository.Close()
	if err := i.write(repository); err != nil {
		return err
	}
	return report(i.stderr, repository)
}

func load(ctx context.Context, options render.Options) (*model.Repository, error) {
	functions := inprocess.Functions(options.Config.Workloads)
	return model.Load(ctx, model.Options{Options: options, Catalog: schema.Builtin(), Functions: functions})
}

func (i *invocation) write(repository *model.Repository) error {
	switch {
	case i.out != "-":
		return writeTree(i.out, i.format, repository)
	case i.format == "json":
		return writeJSON(i.stdout, repository)
	default:
		return writeYAML(i.stdout, repository)
	}
}

// report prints what Flux would reject, and what cannot be known from the repository.
func report(stderr io.Writer, repository *model.Repository) error {
	refused := false
	for _, cluster := range repository.Clusters {
		for _, failure := range cluster.Cluster.Failures {
			refused = true
			fmt.Fprintf(stderr, "%s: failure: %s: %s\n    fix: %s\n", place(failure.At), cluster.Path, failure.Message, failure.Fix)
		}
		for _, unknown := range cluster.Unknowns {
			fmt.Fprintf(stderr, "%s: unknown: %s: %s: %s\n", place(unknown.At), cluster.Path, unknown.Key, unknown.Reason)
		}
	}
	if refused {
		return errRefused
	}
	return nil
}

func place(at render.Location) string {
	if at.File == "" {
		return "-"
	}
	return at.String()
}
