package clusters

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// rootName is what `flux bootstrap` calls the root Kustomization and its namespace, and
// the folder that it writes both into.
const rootName = "flux-system"

// conventional are the folders of clusters by Flux's guides.
var conventional = []string{"clusters/*", "kubernetes/clusters/*", "k8s/clusters/*", "flux/clusters/*"}

// usual are the folders of a repository that have its clusters, or its only one.
var usual = []string{"clusters", "kubernetes", "k8s", "flux", "cluster"}

// Conventional is where clusters are looked for that nothing declares, for messages.
var Conventional = conventional[0]

// roots are the folders that root Kustomizations apply by all appearances: those that
// are declared, and the conventional ones that look like clusters. Where there is
// neither they are the folders with Kustomizations that no other one applies.
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

// declaredIn are the folders that the manifests themselves call roots: of a
// FluxInstance's sync, and of Kustomizations that apply the file which declares them.
func declaredIn(dir string, uses []use) []string {
	var declared []string
	for _, u := range uses {
		if (u.by == instance || u.by == applier && u.appliesItself(uses)) && isFolder(dir, u.folder) {
			declared = append(declared, u.folder)
		}
	}
	return declared
}

// appliesItself reports whether a Kustomization applies the file that declares it, as
// a root does. One of another name than the root's that is itself applied by another
// one does so by mistake.
func (u use) appliesItself(uses []use) bool {
	byAnother := func(other use) bool {
		return other.by == applier && other.file != u.file && below(u.file, other.folder) && !below(other.file, u.folder)
	}
	return below(u.file, u.folder) && (u.root || u.likely && !slices.ContainsFunc(uses, byAnother))
}

// unapplied are the outermost folders, in those of a single cluster, with
// Kustomizations that none of the others applies.
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

// unclaimed leaves out the folders that are a part of something else: a component, what
// another folder's kustomization includes, and what a Kustomization of another cluster,
// or for one, applies. why tells of the first.
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

// claims reports whether a folder is no root because of this use.
func (u use) claims(dir, folder string, folders []string, uses []use) bool {
	switch {
	case u.by == component:
		return u.folder == folder
	case u.by == instance || below(u.file, folder) || !below(u.folder, folder):
		return false
	}
	// Bootstrapping writes into a cluster's own folder.
	bootstrapped := isFolder(dir, path.Join(folder, rootName)) || slices.ContainsFunc(uses, func(own use) bool {
		return own.by == applier && own.folder == folder && below(own.file, folder)
	})
	if u.by == kustomization {
		return u.folder == folder || !bootstrapped
	}
	// Elsewhere it may declare the root.
	inCluster := slices.ContainsFunc(folders, func(other string) bool { return below(u.file, other) })
	return !bootstrapped && (u.away || inCluster)
}

// below reports whether a file or folder is in another one, or is it.
func below(name, folder string) bool {
	return folder == "." || name == folder || strings.HasPrefix(name, folder+"/")
}
