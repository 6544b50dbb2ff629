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
	// Revision is the repository to check.
	Revision
	// Clusters selects clusters by their folders or the ends of these; none selects all.
	Clusters []string
	// Charts are folders with charts that no source in the repository has.
	Charts []string
	// Base is the Git revision whose findings are not reported; empty for none.
	Base string
	// Flux is the version of Flux; empty for the version that each cluster states.
	Flux string
	// Catalog holds the schemas of kinds that the clusters do not define themselves. It
	// caches parsed schemas, so runs that share one are faster.
	Catalog *schema.Catalog
	// Memory caches what earlier runs rendered; nil for no cache. It also makes runs that
	// share it faster.
	Memory *render.Memory
}

// Revision is one state of a repository, in a folder.
type Revision struct {
	Root string
	// Config is the repository's configuration file.
	Config config.Config
	// Versions are the versions that the configuration ties to its pins.
	Versions []rule.Version
}

// ReadRevision reads a repository's configuration and pins.
func ReadRevision(root string) (Revision, error) {
	settings, err := config.Read(root)
	if err != nil {
		return Revision{}, err
	}
	versions, err := rules.Versions(root, settings)
	return Revision{Root: root, Config: settings, Versions: versions}, err
}

// Check renders the clusters and checks them with every rule. Findings are in the report;
// an error means that there is no report.
func Check(ctx context.Context, options Options) (findings.Report, error) {
	start := time.Now()
	var closing sync.WaitGroup // folders are removed in parallel
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

// judgeBase judges the base revision as a repository of its own, with its own
// configuration and pins, because a change may touch those too. If they cannot be read
// the base counts as empty, so that a change can correct them.
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
