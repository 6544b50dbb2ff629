package command

import (
	"context"
	"fmt"
	"os"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// past is the base revision: its clusters by their folders, and what was wrong
// with them already. The zero value is a repository that begins with the change.
type past struct {
	clusters map[string]*model.Cluster
	found    []findings.Finding

	rendering *render.Rendering
	folder    string
}

func (p *past) close() {
	p.rendering.Close()
	os.RemoveAll(p.folder)
}

// before judges the base revision as a repository of its own: by its
// configuration and its pins, for a change may touch those too. A configuration
// that cannot be read counts for nothing, so that a change can mend it.
func (o Options) before(ctx context.Context) (*past, error) {
	folder, err := os.MkdirTemp("", "base-")
	if err != nil {
		return nil, err
	}
	p := &past{clusters: map[string]*model.Cluster{}, folder: folder}
	if err := artifact.Checkout(ctx, o.Root, o.Base, folder); err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("--base: %w", err)
	}
	settings := o.Config
	if own, err := config.Read(folder); err == nil {
		settings = own
	}
	// A cluster may be new.
	p.rendering, err = render.Run(ctx, render.Options{Root: folder, Clusters: o.Clusters, Charts: o.Charts, Optional: true, Flux: o.Flux, Config: settings, Memory: o.Memory})
	if err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("--base %s: %w", o.Base, err)
	}
	for _, cluster := range p.rendering.Clusters {
		if err := compose.Run(ctx, cluster, inprocess.Functions()); err != nil {
			p.close()
			return nil, err
		}
		catalog := rules.Catalog(o.Catalog, cluster)
		input := rules.Input{Cluster: model.New(cluster, catalog), Config: settings, Root: folder, Catalog: catalog}
		p.clusters[cluster.Path] = input.Cluster
		p.found = append(p.found, rules.Check(input)...)
	}
	p.found = append(p.found, rules.Unused(p.found, o.judged(settings.Exceptions))...)
	return p, nil
}
