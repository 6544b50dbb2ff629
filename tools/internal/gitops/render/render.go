package render

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
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
	// Clusters are the names or folders of the clusters to render; none means
	// all.
	Clusters []string
	// Optional leaves out clusters that do not exist; by default they are an
	// error.
	Optional bool
	// Charts are folders with charts of Helm repositories, packed as
	// name-version.tgz or unpacked, as `helm pull` leaves them.
	Charts []string
	// Flux is the version of Flux, such as 2.8; empty for what each cluster says
	// of its own.
	Flux string
	// Config is the repository's configuration.
	Config config.Config
	// Memory is what earlier renderings made; nil for none.
	Memory *Memory
}

// Rendering is what Flux would apply, cluster by cluster.
type Rendering struct {
	Clusters []*Cluster
	work     string
}

// Close removes the files behind the rendering. Objects cannot be located
// after it.
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
	shared := &shared{charts: options.Charts, memory: memory, ready: make(chan struct{})}
	go func() {
		defer close(shared.ready)
		kustomize.Warm() // while the first artifacts are made
	}()
	defer func() { <-shared.ready }()
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
	folders, err := clusterFolders(self.Dir, options)
	if err != nil {
		return err
	}
	shared.sources = &source.Library{
		Repository: root, Config: options.Config, Self: self, Own: own,
		Modules: &memory.modules, Others: &source.Store{Dir: r.work},
	}
	r.Clusters = make([]*Cluster, len(folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, folder := range folders {
		group.Go(func() error {
			var err error
			if r.Clusters[i], err = shared.cluster(ctx, folder, substitution); err != nil {
				return fmt.Errorf("render cluster %s: %w", folder, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// shared is what the walks through all clusters have in common.
type shared struct {
	sources *source.Library
	charts  []string // see Options.Charts
	// own is what kustomize made of what the memory does not hold.
	own    kustomize.Cache
	memory *Memory
	ready  chan struct{} // closed once kustomize has its schema
}

// cacheFor is where the builds of an artifact are kept.
func (s *shared) cacheFor(from *artifact.Artifact) *kustomize.Cache {
	<-s.ready
	if s.memory.modules.Holds(from) {
		return &s.memory.built
	}
	return &s.own
}

// clusterFolders are the folders that root Kustomizations apply, in the order
// of their names.
func clusterFolders(dir string, options Options) ([]string, error) {
	tree := os.DirFS(dir)
	patterns := options.Config.Clusters
	if len(patterns) == 0 {
		patterns = []string{config.DefaultClusters}
	}
	var folders []string
	for _, pattern := range patterns {
		matches, err := doublestar.Glob(tree, path.Clean(pattern))
		if err != nil {
			return nil, fmt.Errorf("%s: clusters: pattern %s: %w", config.Name, pattern, err)
		}
		for _, match := range matches {
			if info, err := os.Stat(filepath.Join(dir, match)); err == nil && info.IsDir() && !slices.Contains(folders, match) {
				folders = append(folders, match)
			}
		}
	}
	slices.Sort(folders)
	why := ""
	if len(options.Config.Clusters) == 0 {
		folders, why = roots(dir, folders)
	}
	if len(folders) == 0 && !options.Optional {
		return nil, fmt.Errorf("no cluster at %s%s: name the folders that root Kustomizations apply in %s, under clusters",
			strings.Join(patterns, ", "), why, config.Name)
	}
	if len(options.Clusters) == 0 {
		return folders, nil
	}
	var selected []string
	for _, name := range options.Clusters {
		i := slices.IndexFunc(folders, func(folder string) bool { return Selects(name, folder) })
		switch {
		case i >= 0 && !slices.Contains(selected, folders[i]):
			selected = append(selected, folders[i])
		case i < 0 && !options.Optional:
			return nil, fmt.Errorf("no cluster %s: there are %s", name, strings.Join(folders, ", "))
		}
	}
	return selected, nil
}

// Selects reports whether a name means the cluster of a folder: it is the folder
// or its last element.
func Selects(name, folder string) bool {
	return path.Clean(name) == folder || name == path.Base(folder)
}
