package command

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Options say what to check.
type Options struct {
	// Revision is the repository as it is.
	Revision
	// Clusters are the clusters, by their folders or the ends of those; none means all.
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

// Revision is a state of a repository, in a folder.
type Revision struct {
	Root string
	// Config is what the repository says of itself.
	Config config.Config
	// Versions are those that it ties to its pins.
	Versions []rule.Version
}

// ReadRevision reads what a repository says of itself.
func ReadRevision(root string) (Revision, error) {
	settings, err := config.Read(root)
	if err != nil {
		return Revision{}, err
	}
	versions, err := rules.Versions(root, settings)
	return Revision{Root: root, Config: settings, Versions: versions}, err
}

// Check renders the clusters and checks them by every rule. Faults are in the report;
// the error is why there is none.
func Check(ctx context.Context, options Options) (findings.Report, error) {
	start := time.Now()
	var closing sync.WaitGroup // files are removed side by side
	defer closing.Wait()
	if options.Memory == nil {
		memory, err := render.NewMemory()
		if err != nil {
			return findings.Report{}, err
		}
		defer closing.Go(func() { memory.Close() })
		options.Memory = memory
	}
	before, err := options.judgeBase(ctx)
	if err != nil {
		return findings.Report{}, err
	}
	defer closing.Go(before.close)
	now, err := options.judge(ctx, options.Revision, before.byPath())
	if err != nil {
		return findings.Report{}, err
	}
	defer closing.Go(now.close)
	report := now.report()
	found := report.Findings
	report.Findings = findings.Introduced(before.findingsAs(now), found)
	report.Coverage.Known = len(found) - len(report.Findings)
	rules.Accept(report.Findings, options.Config.Exceptions)
	report.Coverage.Rules = options.ran()
	report.Coverage.Seconds = time.Since(start).Seconds()
	return report, nil
}

// judgeBase judges the base revision as a repository of its own: by its
// configuration and its pins, for a change may touch those too. Those that cannot
// be read count for nothing, so that a change can correct them.
func (o Options) judgeBase(ctx context.Context) (judgement, error) {
	if o.Base == "" {
		return judgement{}, nil
	}
	folder, err := os.MkdirTemp("", "base-")
	if err != nil {
		return judgement{}, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	if err = artifact.Checkout(ctx, o.Root, o.Base, folder); err != nil {
		return judgement{}, fmt.Errorf("--base: %w", err)
	}
	revision := Revision{Root: folder, Config: o.Config}
	if own, err := config.Read(folder); err == nil {
		revision.Config = own
	}
	revision.Versions, _ = rules.Versions(folder, revision.Config)
	judged, err := o.judge(ctx, revision, nil)
	if err != nil {
		return judgement{}, fmt.Errorf("--base %s: %w", o.Base, err)
	}
	judged.folder = folder
	return judged, nil
}
