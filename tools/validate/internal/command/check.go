package command

import (
	"context"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// Options say what to check.
type Options struct {
	// Root is the repository's folder, Config what it says of itself.
	Root   string
	Config config.Config
	// Clusters are the names or folders of the clusters; none means all.
	Clusters []string
	// Charts are the folders of charts that no source here holds.
	Charts []string
	// Base is the revision whose faults are not reported; empty for none.
	Base string
	// Flux is the version of Flux; empty for what each cluster says of its own.
	Flux string
	// Catalog holds the schemas of the kinds that the clusters do not declare
	// themselves. It keeps what it has parsed: runs that share one are faster.
	Catalog *schema.Catalog
	// Memory is what earlier runs rendered; nil for none. It too makes runs that
	// share one faster.
	Memory *render.Memory
}

// Check renders the clusters and holds them against every rule. Faults are in
// the report; the error is why there is none.
func Check(ctx context.Context, options Options) (findings.Report, error) {
	start := time.Now()
	if options.Memory == nil {
		memory, err := render.NewMemory()
		if err != nil {
			return findings.Report{}, err
		}
		defer memory.Close()
		options.Memory = memory
	}
	before := &past{}
	if options.Base != "" {
		var err error
		if before, err = options.before(ctx); err != nil {
			return findings.Report{}, err
		}
		defer before.close()
	}
	var report findings.Report
	schemas, hidden := map[string]bool{}, false
	err := options.each(ctx, before, func(input rules.Input) func() {
		found := rules.Check(input)
		return func() {
			report.Findings = append(report.Findings, found...)
			hidden = hidden || len(input.Cluster.Unknowns)+len(input.Cluster.Cluster.Failures) > 0
			cover(&report.Coverage, input, schemas)
		}
	})
	if err != nil {
		return findings.Report{}, err
	}
	if len(options.Clusters) == 0 && !hidden {
		// Otherwise what needs one may be out of sight.
		report.Findings = append(report.Findings, rules.Unused(report.Findings, options.judged(options.Config.Exceptions))...)
	}
	all := len(report.Findings)
	report.Findings = findings.Introduced(before.found, report.Findings)
	report.Coverage.Known = all - len(report.Findings)
	rules.Accept(report.Findings, options.Config.Exceptions)
	report.Coverage.Schemas, report.Coverage.Rules = len(schemas), options.ran()
	report.Coverage.Seconds = time.Since(start).Seconds()
	return report, nil
}

// each renders the clusters and visits them, as long as their objects can be
// located: several at the same time. What the visits return is called one after
// the other, in the clusters' order.
func (o Options) each(ctx context.Context, before *past, visit func(rules.Input) func()) error {
	rendering, err := render.Run(ctx, render.Options{Root: o.Root, Clusters: o.Clusters, Charts: o.Charts, Flux: o.Flux, Config: o.Config, Memory: o.Memory})
	if err != nil {
		return err
	}
	defer rendering.Close()
	settle := make([]func(), len(rendering.Clusters))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, cluster := range rendering.Clusters {
		group.Go(func() error {
			if err := compose.Run(ctx, cluster, inprocess.Functions()); err != nil {
				return err
			}
			catalog := rules.Catalog(o.Catalog, cluster)
			settle[i] = visit(rules.Input{
				Cluster: model.New(cluster, catalog), Base: before.clusters[cluster.Path], Config: o.Config, Root: o.Root,
				Catalog: catalog,
			})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, visited := range settle {
		visited()
	}
	return nil
}

// judged are the exceptions whose rules have something to say in this run.
func (o Options) judged(exceptions []config.Exception) []config.Exception {
	return slices.DeleteFunc(slices.Clone(exceptions), func(exception config.Exception) bool {
		rule, _ := rules.Find(exception.Rule)
		return rule.Base && o.Base == ""
	})
}

// ran counts the rules that have something to say in this run.
func (o Options) ran() int {
	count := 0
	for _, rule := range rules.All() {
		if !rule.Base || o.Base != "" {
			count++
		}
	}
	return count
}

// cover counts what the findings of a cluster rest on.
func cover(coverage *findings.Coverage, input rules.Input, schemas map[string]bool) {
	coverage.Clusters = append(coverage.Clusters, input.Cluster.Name)
	coverage.Unknown += len(input.Cluster.Unknowns)
	for _, o := range slices.Concat(input.Cluster.All(), input.Cluster.Composed()) {
		coverage.Objects++
		if kind, source := input.Schema(o); source == "" {
			coverage.Unknown++
		} else {
			schemas[kind.String()+source] = true
		}
	}
}
