// Package source finds the content of Flux's sources on this machine: in this
// repository, in a folder or a Go module that the configuration names, or in the
// module that the URL is the one of. What is not here is Unresolved, and nothing is
// fetched but a module that the repository pins.
//
// The package knows URLs and artifacts. Which object declares a source is up to the
// caller.
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

// Unresolved is the error of what cannot be had offline.
type Unresolved struct{ Reason string }

func (u Unresolved) Error() string { return u.Reason }

// Store keeps artifacts in a folder, one for each content.
type Store struct {
	// Dir is made when the first artifact is.
	Dir   string
	known memo.Memo[string, *artifact.Artifact]
}

// Get is the artifact of some content, made in a folder unless it is known.
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

// Library finds artifacts for all clusters of a repository. Each tree is read once.
type Library struct {
	// Repository is the folder of the repository, Config its configuration.
	Repository string
	Config     config.Config
	// Self is the artifact of the repository; Own makes it as a source asks for it.
	Self *artifact.Artifact
	Own  func(options artifact.Options, into string) (*artifact.Artifact, error)
	// Modules has the artifacts of Go modules, Others all others.
	Modules, Others *Store
}

// OwnContent is the content of the repository, as a source asks for it.
func (l *Library) OwnContent(options artifact.Options) (*artifact.Artifact, error) {
	if contentOf(options) == contentOf(artifact.Options{}) {
		return l.Self, nil
	}
	return l.Others.Get("self "+contentOf(options), func(into string) (*artifact.Artifact, error) { return l.Own(options, into) })
}

// Find finds the content of a URL, at a tag: where the configuration says, or in the
// Go module cache when the URL is that of a module. Who names the source.
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

// Compose puts an artifact together from parts of others, which go by an alias.
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

// Input is an artifact that another one is composed of.
type Input struct {
	Alias    string
	Artifact *artifact.Artifact
}

// contentOf tells options apart that make other artifacts of one tree.
func contentOf(options artifact.Options) string {
	text := fmt.Sprintf("%q %q", options.Folders, options.Ignore)
	for _, include := range options.Includes {
		text += fmt.Sprintf(" %q=%q/%q", include.To, include.From.Dir, include.Path)
	}
	return text
}

// modulePath is the Go module that a repository holds at a tag: the URL's path
// and, from version 2 on, the major version.
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

// module reads a Go module at a version. One that the repository pins is
// fetched into the module cache if need be, and checked against go.sum, as the
// go command does for a build; another one has to be there.
func (l *Library) module(ctx context.Context, path, version string, options artifact.Options, who string) (*artifact.Artifact, error) {
	name := path + "@" + version
	dir, err := l.ModuleDir(ctx, path, version)
	if err != nil {
		return nil, Unresolved{fmt.Sprintf("the content of %s is Go module %s, which is not on this machine (%v): "+
			"pin it below the folder that %s names under pins, or run `go mod download %s`", who, name, err, config.Name, name)}
	}
	store := l.Modules
	if len(options.Includes) > 0 {
		store = l.Others // of what changes
	}
	return store.Get(name+" "+dir+" "+contentOf(options), func(into string) (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, options, into)
	})
}

// ModuleDir is the folder of a Go module at a version.
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

// moduleCache is where the go command keeps modules. Asking it takes longer
// than rendering a small cluster: what it would look at first goes first, and it
// is asked once.
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
