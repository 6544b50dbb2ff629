package clusters

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// rootName is the name that `flux bootstrap` gives to the root Kustomization, to its
// namespace, and to the folder in which it writes both.
const rootName = "flux-system"

// conventional are the folders of clusters in Flux's guides.
var conventional = []string{"clusters/*", "kubernetes/clusters/*", "k8s/clusters/*", "flux/clusters/*"}

// usual are folders that often contain a repository's clusters, or its only one.
var usual = []string{"clusters", "kubernetes", "k8s", "flux", "cluster"}

// Conventional is the pattern of folders that messages recommend for clusters.
var Conventional = conventional[0]

// roots returns the folders that root Kustomizations probably apply: the declared ones,
// and the conventional ones that look like clusters. If there are none, they are the
// folders with Kustomizations that no other one applies.
func roots(dir string) (folders []string, why string, err error) {
	uses := usesIn(dir)
	declared := declaredIn(dir, uses)
	candidates, err := matching(dir, conventional)
	if err != nil {
		return nil, "", err
	}
	guessed, why := unclaimed(dir, candidates, uses)
	folders = slices.Concat(declared, slices.DeleteFunc(guessed, func(folder string) bool {
		return slices.ContainsFunc(declared, func(root string) bool { return below(root, folder) || below(folder, root) }) ||
			len(declared) > 0 && !slices.ContainsFunc(uses, func(u use) bool { return u.by == applier && below(u.file, folder) })
	}))
	if len(folders) == 0 && len(candidates) == 0 {
		folders, why = unclaimed(dir, unapplied(uses), uses)
	}
	slices.Sort(folders)
	return slices.Compact(folders), why, nil
}

// declaredIn returns the folders that the manifests declare as roots: in the sync of a
// FluxInstance, and in Kustomizations that apply the file that declares them.
func declaredIn(dir string, uses []use) []string {
	var declared []string
	for _, u := range uses {
		if (u.by == instance || u.by == applier && u.appliesItself(uses)) && isFolder(dir, u.folder) {
			declared = append(declared, u.folder)
		}
	}
	return declared
}

// appliesItself reports whether a Kustomization applies the file that declares it, as a
// root does. If another Kustomization applies it, and it does not have the root's name,
// that is a mistake and does not count.
func (u use) appliesItself(uses []use) bool {
	byAnother := func(other use) bool {
		return other.by == applier && other.file != u.file && below(u.file, other.folder) && !below(other.file, u.folder)
	}
	return below(u.file, u.folder) && (u.root || u.likely && !slices.ContainsFunc(uses, byAnother))
}

// unapplied returns the outermost of the usual folders with Kustomizations that none of
// the others applies.
func unapplied(uses []use) []string {
	var folders []string
	for _, u := range uses {
		first, _, _ := strings.Cut(u.file, "/")
		if u.by == applier && slices.Contains(usual, first) &&
			!slices.ContainsFunc(uses, func(other use) bool { return other.by == applier && below(u.file, other.folder) }) {
			folders = append(folders, path.Dir(u.file))
		}
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	return slices.DeleteFunc(slices.Clone(folders), func(folder string) bool {
		return slices.ContainsFunc(folders, func(outer string) bool { return outer != folder && below(folder, outer) })
	})
}

// unclaimed leaves out folders that belong to something else: a Component, a folder that
// another kustomization includes, or one that a Kustomization of or for another cluster
// applies. why explains the first one.
func unclaimed(dir string, folders []string, uses []use) (kept []string, why string) {
	for _, folder := range folders {
		i := slices.IndexFunc(uses, func(u use) bool { return u.claims(dir, folder, folders, uses) })
		switch {
		case i < 0:
			kept = append(kept, folder)
		case why == "":
			why = fmt.Sprintf(" (%s is part of what %s says)", folder, uses[i].file)
		}
	}
	return kept, why
}

// claims reports whether this use means that a folder is not a root.
func (u use) claims(dir, folder string, folders []string, uses []use) bool {
	switch {
	case u.by == component:
		return u.folder == folder
	case u.by == instance || below(u.file, folder) || !below(u.folder, folder):
		return false
	}
	// `flux bootstrap` writes into a cluster's own folder.
	bootstrapped := isFolder(dir, path.Join(folder, rootName)) || slices.ContainsFunc(uses, func(own use) bool {
		return own.by == applier && own.folder == folder && below(own.file, folder)
	})
	if u.by == kustomization {
		return u.folder == folder || !bootstrapped
	}
	// Outside of any cluster it may declare the root.
	inCluster := slices.ContainsFunc(folders, func(other string) bool { return below(u.file, other) })
	return !bootstrapped && (u.away || inCluster)
}

// below reports whether a file or folder is the folder, or is in it.
func below(name, folder string) bool {
	return folder == "." || name == folder || strings.HasPrefix(name, folder+"/")
}
