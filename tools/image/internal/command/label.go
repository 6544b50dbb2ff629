package command

import (
	"cmp"
	"context"
	"maps"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/mod/module"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

// labels returns labels of the OCI image specification. They follow from the source and
// the command line, never from this machine or this clone, so that the same source gives
// the same digest everywhere.
func (o options) labels(p program, revision func() string) map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":  path.Base(p.name),
		"org.opencontainers.image.source": sourceOf(p.module),
	}
	switch {
	case p.version != "":
		// This repository has only the pin of an engine, not its source.
		labels["org.opencontainers.image.version"] = cmp.Or(o.version, p.version)
	case o.tag != name.DefaultTag:
		labels["org.opencontainers.image.version"] = cmp.Or(o.version, o.tag)
		labels["org.opencontainers.image.revision"] = revision()
	default:
		labels["org.opencontainers.image.version"] = o.version
		labels["org.opencontainers.image.revision"] = revision()
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

// sourceOf returns the address of a module's source. It does not use the Git remote,
// which differs between clones and may contain a password.
func sourceOf(modulePath string) string {
	repository, _, _ := module.SplitPathVersion(modulePath)
	parts := strings.Split(repository, "/")
	if !strings.Contains(parts[0], ".") {
		return ""
	}
	if parts[0] == "github.com" && len(parts) > 3 {
		// The module is in a folder of its repository.
		repository = path.Join(parts[:3]...)
	}
	return "https://" + repository
}

// revisionOf returns the commit that is checked out in dir, with "-dirty" if any file of
// the repository differs from it or is not in it. Ignored files do not count.
func revisionOf(ctx context.Context, dir string) (string, error) {
	commit, err := git.Run(ctx, dir, nil, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return "", err
	}
	// A change must show in spite of the user's settings, or of another git's lock.
	changes, err := git.Run(ctx, dir, nil,
		"--no-optional-locks", "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none")
	if err != nil {
		return "", err
	}
	if changes != "" {
		return commit + "-dirty", nil
	}
	return commit, nil
}
