// Package command is the command line of validate: it reads flags, writes a report, and
// is the one place that chooses the exit code. tools/internal/gitops/render renders,
// tools/internal/rules finds what is wrong, and tools/internal/rules/findings formats it.
//
// Exit codes: 0 no errors; 1 errors; 2 it could not run.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/validate/programs"
)

// errFound means that there are errors, which the report names.
var errFound = cli.Said(1)

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
	schemas  []string
	charts   []string
	format   string
	base     string
	flux     string
	explain  string
	list     bool
	unknown  bool

	stdout io.Writer
}

func newRoot() *cobra.Command {
	var i invocation
	root := &cobra.Command{
		Use:   "validate",
		Short: "Find what would break before the push: schemas, references, KEDA, offline",
		Example: `  validate                        every cluster of this repository
  validate --format github        annotations for a pull request
  validate --base origin/main     only what this change brings, and what it would destroy
  validate --explain KEDA003      why a rule is there, an example and the fix
  validate --list-unknown         what could not be checked, and why
  validate --list                 each object with the schema and the rules that judged it`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i.stdout = cmd.OutOrStdout()
			if i.explain != "" {
				return i.explainRule()
			}
			return i.run(cmd.Context())
		},
	}
	flags := root.Flags()
	flags.SortFlags = false
	flags.StringVar(&i.root, "root", ".", "the repository's `folder`")
	flags.StringSliceVar(&i.clusters, "cluster", nil, "the `cluster`s to check, by folder or the end of it (default all)")
	flags.StringSliceVar(&i.schemas, "schema", nil, "a `file` or folder with more definitions of kinds")
	flags.StringSliceVar(&i.charts, "charts", nil, "a `folder` with charts of Helm repositories, as helm pull leaves them")
	flags.StringVar(&i.format, "format", findings.Formats()[0], strings.Join(findings.Formats(), ", "))
	flags.StringVar(&i.base, "base", "", "report only what is new since a Git `revision`, and changes that fail or destroy")
	flags.StringVar(&i.flux, "flux", "",
		"the `version` of Flux (default what the cluster says); before 2.9 a variable without value becomes empty")
	flags.StringVar(&i.explain, "explain", "", "print why a `rule` is there, an example and the fix; all for every rule, as Markdown")
	flags.BoolVar(&i.unknown, "list-unknown", false,
		"print what is unknown, why, and which checks that holds back, as text or json")
	flags.BoolVar(&i.list, "list", false, "print each object with its place, its schema and the rules that judged it, as text or json")
	return root
}

func (i *invocation) run(ctx context.Context) error {
	formats := findings.Formats()
	if i.list || i.unknown {
		formats = listFormats
	}
	if !slices.Contains(formats, i.format) {
		return fmt.Errorf("--format=%s: want one of %s", i.format, strings.Join(formats, ", "))
	}
	if (i.list || i.unknown) && i.base != "" {
		return errors.New("--list and --list-unknown show what is there, --base what changes: give one of them")
	}
	if i.list && i.unknown {
		return errors.New("give one of --list and --list-unknown")
	}
	options, err := i.what()
	if err != nil {
		return err
	}
	if i.list {
		listed, err := options.list(ctx)
		if err != nil {
			return err
		}
		return listed.write(i.stdout, i.format)
	}
	if i.unknown {
		listed, err := options.listUnknown(ctx)
		if err != nil {
			return err
		}
		return listed.write(i.stdout, i.format)
	}
	report, err := Check(ctx, options)
	if err != nil {
		return err
	}
	if err := findings.Write(i.stdout, i.format, report, i.options()); err != nil {
		return err
	}
	if report.Count(findings.Error) > 0 {
		return errFound
	}
	return nil
}

// what turns the flags into options.
func (i *invocation) what() (Options, error) {
	revision, err := ReadRevision(i.root)
	if err != nil {
		return Options{}, err
	}
	if err := errors.Join(checkExceptions(revision.Config), checkPrograms(revision.Config)); err != nil {
		return Options{}, err
	}
	catalog := schema.Builtin()
	for _, path := range i.schemas {
		if catalog, err = catalog.LoadPath(path); err != nil {
			return Options{}, fmt.Errorf("--schema: %w", err)
		}
	}
	return Options{Revision: revision, Clusters: i.clusters, Charts: i.charts, Base: i.base, Flux: i.flux, Catalog: catalog}, nil
}

func (i *invocation) options() findings.Options {
	terminal := false
	if file, ok := i.stdout.(*os.File); ok {
		terminal = term.IsTerminal(int(file.Fd()))
	}
	options := findings.Options{Root: i.root, Excerpts: terminal, Colors: terminal && os.Getenv("NO_COLOR") == ""}
	for _, rule := range rules.All() {
		options.Rules = append(options.Rules,
			findings.Rule{ID: rule.ID, Severity: rule.Severity, Title: rule.Title, Why: rule.Why, Fix: rule.Fix})
	}
	return options
}

// checkPrograms returns an error for a workload whose program is not registered.
func checkPrograms(settings config.Config) error {
	names := inprocess.Programs()
	for _, program := range programs.All() {
		names = append(names, program.Name)
	}
	for _, workload := range settings.Workloads {
		if !slices.Contains(names, workload.Program) {
			return fmt.Errorf("%s:%d: unknown program %s: name one of %s", config.Name, workload.Line, workload.Program,
				strings.Join(names, ", "))
		}
	}
	return nil
}

// checkExceptions returns an error for an exception that can never apply.
func checkExceptions(settings config.Config) error {
	for _, exception := range settings.Exceptions {
		if successors := rules.Successors(exception.Rule); len(successors) > 0 {
			return fmt.Errorf("%s:%d: rule %s is now %s: name the one that you mean", config.Name, exception.Line, exception.Rule,
				strings.Join(successors, ", "))
		}
		if _, found := rules.Find(exception.Rule); !found {
			return fmt.Errorf("%s:%d: unknown rule %s: `validate --explain all` lists all", config.Name, exception.Line, exception.Rule)
		}
		if !doublestar.ValidatePattern(exception.Path) {
			return fmt.Errorf("%s:%d: %q is not a valid file pattern", config.Name, exception.Line, exception.Path)
		}
	}
	return nil
}
