// Package source finds the content of Flux's sources on this machine: in this repository,
// in a folder or a Go module that the configuration names, or in the Go module that
// belongs to the URL. Anything else is Unresolved. It fetches only modules that the
// repository pins.
//
// The package knows URLs and artifacts. It must not know which object declares a source.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
)

// Unresolved is the error for content that is not available offline.
type Unresolved struct{ Reason string }

func (u Unresolved) Error() string { return u.Reason }

// Store keeps artifacts in a folder, one for each content.
type Store struct {
	// Dir is created with the first artifact.
	Dir   string
	known memo.Memo[string, *artifact.Artifact]
}

// Get returns the artifact with some content, and makes it in a new folder the first
// time.
func (s *Store) Get(content string, make func(into string) (*artifact.Artifact, error)) (*artifact.Artifact, error) {
	return s.known.Get(content, func() (*artifact.Artifact, error) {
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a folder for an artifact: %w", err)
		}
		into, err := os.MkdirTemp(s.Dir, "artifact-")
		if err != nil {
			return nil, err
		}
		return make(into)
	})
}

// Holds reports whether an artifact is in the store's folder.
func (s *Store) Holds(a *artifact.Artifact) bool {
	return strings.HasPrefix(a.Dir, s.Dir+string(filepath.Separator))
}

// Library finds artifacts for all clusters of a repository. It reads each tree once.
type Library struct {
	// Repository is the folder of the repository, Config its configuration.
	Repository string
	Config     config.Config
	// Self is the artifact of the repository; Own makes it with a source's options.
	Self *artifact.Artifact
	Own  func(options artifact.Options, into string) (*artifact.Artifact, error)
	// Modules has the artifacts of Go modules, Others all other artifacts.
	Modules, Others *Store
}

// OwnContent returns the content of the repository, with a source's options.
func (l *Library) OwnContent(options artifact.Options) (*artifact.Artifact, error) {
	if contentOf(options) == contentOf(artifact.Options{}) {
		return l.Self, nil
	}
	return l.Others.Get("self "+contentOf(options), func(into string) (*artifact.Artifact, error) { return l.Own(options, into) })
}

// Find returns the content of a URL at a tag: from where the configuration says, or from
// the Go module cache if the URL belongs to a module. who names the source in errors.
func (l *Library) Find(ctx context.Context, url, tag string, options artifact.Options, who string) (*artifact.Artifact, error) {
	for _, s := range l.Config.Sources {
		switch {
		case s.URL != url:
			continue
		case s.Module != "":
			return l.module(ctx, s.Module, tag, options, who)
		default:
			return l.folder(filepath.Join(l.Repository, s.Path), s.Path, options)
		}
	}
	path, found := modulePath(url, tag)
	if !found {
		return nil, Unresolved{fmt.Sprintf("the content of %s, %q, is not on this machine: "+
			"map its url to a path or a Go module in %s, under sources", who, url, config.Name)}
	}
	return l.module(ctx, path, tag, options, who)
}

// Compose composes an artifact from parts of others, which have aliases.
func (l *Library) Compose(inputs []Input, copies []artifact.Copy) (*artifact.Artifact, error) {
	from, content := map[string]*artifact.Artifact{}, ""
	for _, input := range inputs {
		from[input.Alias] = input.Artifact
		content += fmt.Sprintf("%q=%q ", input.Alias, input.Artifact.Dir)
	}
	return l.Others.Get(content+fmt.Sprintf("%q", copies), func(into string) (*artifact.Artifact, error) {
		return artifact.Compose(from, copies, into)
	})
}

// Input is an artifact from which another one is composed.
type Input struct {
	Alias    string
	Artifact *artifact.Artifact
}

// contentOf returns a text that differs for options that make different artifacts from
// one tree.
func contentOf(options artifact.Options) string {
	text := fmt.Sprintf("%q %q", options.Folders, options.Ignore)
	for _, include := range options.Includes {
		text += fmt.Sprintf(" %q=%q/%q", include.To, include.From.Dir, include.Path)
	}
	return text
}

// modulePath returns the Go module of a repository at a tag: the URL's path and, from
// version 2 on, the major version.
func modulePath(url, tag string) (string, bool) {
	path, isHTTPS := strings.CutPrefix(url, "https://")
	if !isHTTPS || !semver.IsValid(tag) {
		return "", false
	}
	path = strings.TrimSuffix(path, ".git")
	if major := semver.Major(tag); major != "v0" && major != "v1" {
		path += "/" + major
	}
	return path, module.CheckPath(path) == nil
}

// module returns the content of a Go module at a version. A module that the repository
// pins is fetched into the module cache if it is missing, and checked against go.sum, as
// the go command does for a build; any other must be there.
func (l *Library) module(ctx context.Context, path, version string, options artifact.Options, who string) (*artifact.Artifact, error) {
	name := path + "@" + version
	dir, err := l.ModuleDir(ctx, path, version)
	if err != nil {
		return nil, Unresolved{fmt.Sprintf("the content of %s is Go module %s, which is not on this machine (%v): "+
			"pin it below the folder that %s names under pins, or run `go mod download %s`", who, name, err, config.Name, name)}
	}
	store := l.Modules
	if len(options.Includes) > 0 {
		store = l.Others // its content can change
	}
	return store.Get(name+" "+dir+" "+contentOf(options), func(into string) (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, options, into)
	})
}

// ModuleDir returns the folder of a Go module at a version.
func (l *Library) ModuleDir(ctx context.Context, path, version string) (string, error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	cache, err := moduleCache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, filepath.FromSlash(escaped)+"@"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if l.Config.Pins == "" {
		return "", errors.New("it is not in the module cache")
	}
	all, err := pins.Load(filepath.Join(l.Repository, l.Config.Pins))
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if pinned, err := p.VersionOf(path); err == nil && pinned == version {
			return p.SourceOf(ctx, path)
		}
	}
	return "", fmt.Errorf("it is not in the module cache, and nothing below %s pins it", l.Config.Pins)
}

// moduleCache returns the folder of Go's module cache. Asking the go command takes longer
// than rendering a small cluster, so the environment is read first, and the command runs
// at most once.
func moduleCache() (string, error) {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return dir, nil
	}
	return askedModuleCache()
}

var askedModuleCache = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its module cache: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
})

func (l *Library) folder(dir, name string, options artifact.Options) (*artifact.Artifact, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, Unresolved{fmt.Sprintf("%s maps a source to %s, which does not exist", config.Name, name)}
	}
	name = path.Clean(filepath.ToSlash(name))
	return l.Others.Get(name+" "+contentOf(options), func(into string) (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, options, into)
	})
}
