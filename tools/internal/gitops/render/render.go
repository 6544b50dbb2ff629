package render

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/clusters"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// Options say what to render.
type Options struct {
	// Root is the repository's folder.
	Root string
	// Revision is the Git revision to render; empty means the working tree, as
	// it would be pushed.
	Revision string
	// Clusters are the names or folders of the clusters to render, each as a whole path
	// or its end; none means all.
	Clusters []string
	// Optional ignores clusters that do not exist; by default they are an error.
	Optional bool
	// Charts are folders with charts of Helm repositories, packed as name-version.tgz or
	// unpacked, as `helm pull` writes them.
	Charts []string
	// Flux is the version of Flux, such as 2.8; empty for the version that each cluster
	// states.
	Flux string
	// Config is the repository's configuration.
	Config config.Config
	// Memory has the results of earlier renderings; nil for none.
	Memory *Memory
}

// Rendering is what Flux would apply, cluster by cluster.
type Rendering struct {
	Clusters []*Cluster
	work     string
}

// Close removes the rendering's files. Afterwards objects cannot be located any more.
func (r *Rendering) Close() error { return os.RemoveAll(r.work) }

// Run renders the clusters that the options select.
func Run(ctx context.Context, options Options) (*Rendering, error) {
	work, err := workFolder()
	if err != nil {
		return nil, err
	}
	rendering := &Rendering{work: work}
	if err := rendering.run(ctx, options); err != nil {
		rendering.Close()
		return nil, err
	}
	return rendering, nil
}

func (r *Rendering) run(ctx context.Context, options Options) error {
	substitution, err := substitutionOf(options.Flux)
	if err != nil {
		return err
	}
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return err
	}
	memory := options.Memory
	if memory == nil {
		memory = newMemory(filepath.Join(r.work, "memory"))
	}
	shared := &shared{flux: options.Flux, charts: options.Charts, memory: memory, ready: make(chan struct{})}
	shared.own.Memory = &memory.folders
	go func() {
		defer close(shared.ready)
		kustomize.Warm() // in parallel with the first artifacts
	}()
	shared.ahead.SetLimit(runtime.GOMAXPROCS(0))
	defer func() { <-shared.ready; _ = shared.ahead.Wait() }() // builds return no error here
	own := func(of artifact.Options, into string) (*artifact.Artifact, error) {
		if options.Revision == "" {
			return artifact.FromFolder(ctx, root, of, into)
		}
		return artifact.FromRevision(ctx, root, options.Revision, of, into)
	}
	self, err := own(artifact.Options{}, filepath.Join(r.work, "self"))
	if err != nil {
		return err
	}
	selected, err := selectClusters(self.Dir, options)
	if err != nil {
		return err
	}
	shared.sources = &source.Library{
		Repository: root, Config: options.Config, Self: self, Own: own,
		Modules: &memory.modules, Others: &source.Store{Dir: r.work},
	}
	r.Clusters = make([]*Cluster, len(selected))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, cluster := range selected {
		group.Go(func() error {
			var err error
			if r.Clusters[i], err = shared.cluster(ctx, cluster, substitution); err != nil {
				return fmt.Errorf("render cluster %s: %w", cluster.Path, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// shared is what the walks through all clusters have in common.
type shared struct {
	sources *source.Library
	flux    string   // see Options.Flux
	charts  []string // see Options.Charts
	// own has the builds that Memory does not have.
	own    kustomize.Cache
	memory *Memory
	ready  chan struct{} // closed when kustomize's schema is ready
	ahead  errgroup.Group
}

// cacheFor returns the cache for the builds of an artifact.
func (s *shared) cacheFor(from *artifact.Artifact) *kustomize.Cache {
	<-s.ready
	if s.memory.modules.Holds(from) {
		return &s.memory.built
	}
	return &s.own
}

// selectClusters returns the clusters to render.
func selectClusters(dir string, options Options) ([]clusters.Cluster, error) {
	all, why, err := clusters.In(dir, options.Config.Clusters)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && !options.Optional {
		where := strings.Join(options.Config.Clusters, ", ")
		if where == "" {
			where = clusters.Conventional + ", and no root Kustomization or FluxInstance names another folder"
		}
		return nil, fmt.Errorf("no cluster at %s%s: name the folders that root Kustomizations apply in %s, under clusters",
			where, why, config.Name)
	}
	return clusters.Select(all, options.Clusters, options.Optional)
}
