package model

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// Options say what to load, and how.
type Options struct {
	render.Options
	// Catalog holds the schemas of kinds that the clusters do not define themselves. It
	// caches parsed schemas, so loads that share one are faster.
	Catalog *schema.Catalog
	// Functions are the composition functions that run in process, by the
	// repository of their package.
	Functions map[string]compose.Function
}

// Repository is the clusters of one revision of a repository.
type Repository struct {
	Clusters  []*Cluster
	rendering *render.Rendering
}

// Close removes the files behind the clusters. Afterwards their objects cannot be located
// any more.
func (r *Repository) Close() error { return r.rendering.Close() }

// Load renders the clusters that the options select, composes their composite resources,
// and relates all objects.
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
