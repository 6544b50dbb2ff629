package command

import (
	"context"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
	"github.com/mystique-unicorn/sales-events/tools/validate/programs"
)

// judgement holds the rules' findings in a revision. The zero value is that of a
// repository without clusters.
type judgement struct {
	repository *model.Repository
	// inputs and found have one item for each cluster, in order.
	inputs []rule.Input
	found  [][]findings.Finding
	unused []findings.Finding
	// heldBack has the checks that were not made, for each cluster.
	heldBack []heldBack
	// folder holds the files of the base revision; it is empty for any other.
	folder string
}

func (j judgement) close() {
	if j.repository != nil {
		j.repository.Close()
	}
	if j.folder != "" {
		os.RemoveAll(j.folder)
	}
}

// judge loads a revision and checks its clusters with every rule, several clusters at a
// time. base has the clusters of the base revision by their folders. It is nil if the
// revision is the base itself, which may lack a cluster.
func (o Options) judge(ctx context.Context, revision Revision, base map[string]*model.Cluster) (judgement, error) {
	j, err := o.load(ctx, revision, base)
	if err != nil {
		return judgement{}, err
	}
	j.found, j.heldBack = make([][]findings.Finding, len(j.inputs)), make([]heldBack, len(j.inputs))
	var judges errgroup.Group
	judges.SetLimit(runtime.GOMAXPROCS(0))
	for i, input := range j.inputs {
		input.HeldBack = j.heldBack[i].add
		judges.Go(func() error {
			j.found[i] = rules.Check(input)
			return nil
		})
	}
	_ = judges.Wait() // none of them fails
	if base == nil || len(o.Clusters) == 0 && !j.hidden() {
		// With unknown parts, the object that needs an exception may be among them.
		j.unused = rules.Unused(slices.Concat(j.found...), o.judged(revision.Config.Exceptions))
	}
	return j, nil
}

// load loads a revision and prepares the rules' input for each cluster.
func (o Options) load(ctx context.Context, revision Revision, base map[string]*model.Cluster) (judgement, error) {
	repository, err := model.Load(ctx, model.Options{
		Options: render.Options{
			Root: revision.Root, Clusters: o.Clusters, Charts: o.Charts, Optional: base == nil, Flux: o.Flux,
			Config: revision.Config, Memory: o.Memory,
		},
		Catalog: o.Catalog, Functions: inprocess.Functions(revision.Config.Workloads),
	})
	if err != nil {
		return judgement{}, err
	}
	j := judgement{repository: repository}
	var all []*model.Cluster
	if len(o.Clusters) == 0 {
		all = repository.Clusters
	}
	for _, cluster := range repository.Clusters {
		j.inputs = append(j.inputs, rule.Input{
			Cluster: cluster, Base: base[cluster.Path], Clusters: all, Config: revision.Config, Versions: revision.Versions,
			Programs: programs.All(),
		})
	}
	return j, nil
}

// byPath returns the clusters by their folders.
func (j judgement) byPath() map[string]*model.Cluster {
	clusters := map[string]*model.Cluster{}
	for _, input := range j.inputs {
		clusters[input.Cluster.Path] = input.Cluster
	}
	return clusters
}

func (j judgement) findings() []findings.Finding { return slices.Concat(append(j.found, j.unused)...) }

// findingsAs returns the findings with the clusters' names in another judgement: a
// cluster's name depends on the other clusters.
func (j judgement) findingsAs(other judgement) []findings.Finding {
	names, paths := map[string]string{}, other.byPath()
	for _, input := range j.inputs {
		names[input.Cluster.Name] = input.Cluster.Name
		if same := paths[input.Cluster.Path]; same != nil {
			names[input.Cluster.Name] = same.Name
		}
	}
	all := j.findings()
	for i, finding := range all {
		all[i].Clusters = slices.Clone(finding.Clusters)
		for n, name := range finding.Clusters {
			all[i].Clusters[n] = names[name]
		}
	}
	return all
}

// hidden reports whether parts of the clusters could not be judged.
func (j judgement) hidden() bool {
	return slices.ContainsFunc(j.inputs, func(input rule.Input) bool {
		return len(input.Cluster.Unknowns)+len(input.Cluster.Cluster.Failures) > 0
	})
}

// report returns the findings, and the numbers that say how much was checked.
func (j judgement) report() findings.Report {
	report := findings.Report{Findings: j.findings()}
	schemas := map[string]bool{}
	for _, input := range j.inputs {
		cover(&report.Coverage, input, schemas)
	}
	for _, held := range j.heldBack {
		report.Coverage.HeldBack += held.checks
		for by := range held.by {
			if by.isChart() {
				report.Coverage.HidingCharts++
			} else {
				report.Coverage.HidingSources++
			}
		}
	}
	report.Coverage.Schemas = len(schemas)
	return report
}

// cover counts, for one cluster, what was checked and what is unknown.
func cover(coverage *findings.Coverage, input rule.Input, schemas map[string]bool) {
	coverage.Clusters = append(coverage.Clusters, input.Cluster.Name)
	coverage.Unknown += len(input.Cluster.Unknowns)
	for _, o := range slices.Concat(input.Cluster.All(), input.Cluster.Composed()) {
		coverage.Objects++
		if kind, source, _ := input.Schema(o); source == "" {
			coverage.Unknown++
		} else {
			schemas[kind.String()+source] = true
		}
	}
}

// judged returns the exceptions whose rules run.
func (o Options) judged(exceptions []config.Exception) []config.Exception {
	return slices.DeleteFunc(slices.Clone(exceptions), func(exception config.Exception) bool {
		found, _ := rules.Find(exception.Rule)
		return found.Base && o.Base == ""
	})
}

// ran counts the rules that run.
func (o Options) ran() int {
	count := 0
	for _, r := range rules.All() {
		if !r.Base || o.Base != "" {
			count++
		}
	}
	return count
}
