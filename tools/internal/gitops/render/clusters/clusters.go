// Package clusters finds the folders of a repository that are clusters: those that a root
// Kustomization of Flux applies. The repository's configuration names them, or its
// manifests do, because `flux bootstrap` and flux-operator leave a declaration of the
// root in the repository. Without a declaration it guesses by the layouts that Flux's
// guides recommend.
//
// The package reads files one by one and builds nothing.
package clusters

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
)

// Cluster is a folder that a root Kustomization applies.
type Cluster struct {
	// Path is the folder. Name is its shortest end that no other cluster's folder has.
	Name, Path string
}

// In returns the clusters of a repository, in the order of their folders: those that
// match the patterns or, without patterns, those that the manifests show. why says why
// the first folder that looks like a cluster is not one.
func In(dir string, patterns []string) (found []Cluster, why string, err error) {
	var folders []string
	if len(patterns) > 0 {
		folders, err = matching(dir, patterns)
	} else {
		folders, why, err = roots(dir)
	}
	return named(folders), why, err
}

// matching returns the folders that match patterns, sorted.
func matching(dir string, patterns []string) ([]string, error) {
	var folders []string
	for _, pattern := range patterns {
		matches, err := doublestar.Glob(os.DirFS(dir), path.Clean(pattern))
		if err != nil {
			return nil, fmt.Errorf("%s: clusters: pattern %s: %w", config.Name, pattern, err)
		}
		folders = append(folders, slices.DeleteFunc(matches, func(match string) bool { return !isFolder(dir, match) })...)
	}
	slices.Sort(folders)
	return slices.Compact(folders), nil
}

func isFolder(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	return err == nil && info.IsDir()
}

// named gives each folder the shortest name that no other folder matches.
func named(folders []string) []Cluster {
	var all []Cluster
	for _, folder := range folders {
		name := path.Base(folder)
		meansAnother := func(other string) bool { return other != folder && Selects(name, other) }
		for slices.ContainsFunc(folders, meansAnother) && name != folder {
			parents := strings.TrimSuffix(folder, "/"+name)
			name = path.Join(path.Base(parents), name)
		}
		all = append(all, Cluster{Name: name, Path: folder})
	}
	return all
}

// Selects reports whether a name selects the cluster in a folder: it is the folder or its
// end.
func Selects(name, folder string) bool {
	name = path.Clean(name)
	return name == folder || strings.HasSuffix(folder, "/"+name)
}

// Select returns the clusters that names select, in the order of the names; all without
// names. A name that selects none is an error unless optional is set.
func Select(all []Cluster, names []string, optional bool) ([]Cluster, error) {
	if len(names) == 0 {
		return all, nil
	}
	var selected []Cluster
	for _, name := range names {
		meant := slices.DeleteFunc(slices.Clone(all), func(c Cluster) bool { return !Selects(name, c.Path) })
		if i := slices.IndexFunc(meant, func(c Cluster) bool { return c.Path == path.Clean(name) }); i >= 0 {
			meant = meant[i : i+1]
		}
		switch {
		case len(meant) > 1:
			return nil, fmt.Errorf("cluster %s is ambiguous: name one of %s", name, paths(meant))
		case len(meant) == 0 && !optional:
			return nil, fmt.Errorf("no cluster %s: there are %s", name, paths(all))
		case len(meant) == 1 && !slices.Contains(selected, meant[0]):
			selected = append(selected, meant[0])
		}
	}
	return selected, nil
}

func paths(all []Cluster) string {
	var list []string
	for _, c := range all {
		list = append(list, c.Path)
	}
	return strings.Join(list, ", ")
}
