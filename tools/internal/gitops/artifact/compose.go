package artifact

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Compose returns the artifact that an ArtifactGenerator describes: each copy puts files of
// a source, which it names by alias, into the new artifact. Later copies win, as
// documented for spec.artifacts[].copy of source-watcher:
// https://fluxcd.io/flux/components/source/artifactgenerators/
func Compose(sources map[string]*Artifact, copies []Copy, into string) (*Artifact, error) {
	composed := &Artifact{Dir: into, origins: map[string]string{}}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return nil, err
	}
	for _, c := range copies {
		if err := composed.add(sources, c); err != nil {
			return nil, fmt.Errorf("copy %s to %s: %w", c.From, c.To, err)
		}
	}
	return composed, nil
}

func (a *Artifact) add(sources map[string]*Artifact, c Copy) error {
	alias, pattern, _ := strings.Cut(strings.TrimPrefix(c.From, "@"), "/")
	source := sources[alias]
	if source == nil {
		return fmt.Errorf("no source has the alias %q", alias)
	}
	target, inArtifact := strings.CutPrefix(c.To, "@artifact")
	if !inArtifact {
		return fmt.Errorf("the target does not begin with @artifact/")
	}
	files, base, err := match(source, pattern)
	if err != nil {
		return err
	}
	for _, file := range files {
		relative := strings.TrimPrefix(strings.TrimPrefix(file, base), "/")
		to := path.Join(target, relative)
		if file == base && strings.HasSuffix(target, "/") {
			to = path.Join(target, path.Base(file))
		}
		to = strings.TrimPrefix(to, "/")
		if !filepath.IsLocal(filepath.FromSlash(to)) {
			return fmt.Errorf("%s leaves the artifact", to)
		}
		if err := copyFile(filepath.Join(source.Dir, file), filepath.Join(a.Dir, to)); err != nil {
			return err
		}
		a.origins[to] = source.File(file)
	}
	return nil
}

// match returns the files of a source that a pattern selects, and the folder to strip
// from their names: the part before the first wildcard or, for a plain folder, its
// parent.
func match(source *Artifact, pattern string) (files []string, base string, err error) {
	all, err := walk(source.Dir)
	if err != nil {
		return nil, "", err
	}
	pattern = path.Clean(pattern)
	base, glob := doublestar.SplitPattern(pattern)
	if !strings.ContainsAny(glob, "*?[{") {
		if slices.Contains(all, pattern) {
			return []string{pattern}, pattern, nil
		}
		base, pattern = path.Dir(pattern), pattern+"/**"
	}
	for _, file := range all {
		matched, err := doublestar.Match(pattern, file)
		if err != nil {
			return nil, "", fmt.Errorf("pattern %s: %w", pattern, err)
		}
		if matched {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, "", fmt.Errorf("no file matches")
	}
	if base == "." {
		base = ""
	}
	return files, base, nil
}
