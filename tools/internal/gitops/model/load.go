package model

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// Options say what to load, and with what.
type Options struct {
	render.Options
	// Catalog holds the schemas of the kinds that the clusters do not declare
	// themselves. It keeps what it has parsed: loads that share one are faster.
	Catalog *schema.Catalog
	// Functions are the composition functions that run in process, by the
	// repository of their package.
	Functions map[string]compose.Function
}

// Repository is a revision of a repository, cluster by cluster.
type Repository struct {
	Clusters  []*Cluster
	rendering *render.Rendering
}

// Close removes the files behind the clusters. Their objects cannot be located
// after it.
func (r *Repository) Close() error { return r.rendering.Close() }

// Load renders the clusters that the options select, composes their composite
// resources and relates the objects.
func Load(ctx context.Context, options Options) (*Repository, error) {
	rendering, err := render.Run(ctx, options.Options)
	if err != nil {
		return nil, err
	}
	r := &Repository{Clusters: make([]*Cluster, len(rendering.Clusters)), rendering: rendering}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, cluster := range rendering.Clusters {
		group.Go(func() error {
			err := compose.Run(ctx, cluster, options.Functions)
			r.Clusters[i] = New(cluster, options.Catalog)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}
