package origin

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// Loaded returns the entries of a kustomization that kustomize loads; each may be a
// network address.
func Loaded(k types.Kustomization) []string {
	return append(ManifestFiles(k), ContentFiles(k)...)
}

// ManifestFiles returns the entries whose files contain YAML.
func ManifestFiles(k types.Kustomization) []string {
	entries := slices.Concat(k.Resources, k.Components, k.Crds, k.Configurations, k.Generators, k.Transformers, k.Validators)
	entries = append(entries, k.OpenAPI["path"])
	merges, operations := olderPatches(k)
	entries = append(entries, merges...)
	for _, p := range slices.Concat(k.Patches, operations) {
		entries = append(entries, p.Path)
	}
	for _, replacement := range k.Replacements {
		entries = append(entries, replacement.Path)
	}
	// Some of these entries may be inline YAML instead of a path.
	return slices.DeleteFunc(entries, func(entry string) bool { return strings.ContainsAny(entry, "\n{") })
}

// ContentFiles returns the files that generators put into ConfigMaps and Secrets.
func ContentFiles(k types.Kustomization) []string {
	var sources []types.KvPairSources
	for _, generator := range k.ConfigMapGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, generator := range k.SecretGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	var files []string
	for _, s := range sources {
		files = append(append(files, s.EnvSource), s.EnvSources...)
		for _, entry := range s.FileSources {
			files = append(files, SourceFile(entry))
		}
	}
	return files
}

// olderPatches returns the patches in kustomize's deprecated fields: strategic merges, as
// a path or as text, and JSON patches.
func olderPatches(k types.Kustomization) (merges []string, operations []types.Patch) {
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // repositories use it
		merges = append(merges, string(p))
	}
	return merges, k.PatchesJson6902 //nolint:staticcheck // repositories use it
}

// SourceFile returns the file of a generator's entry, without the key that the entry may
// give it.
func SourceFile(entry string) string {
	if _, file, named := strings.Cut(entry, "="); named {
		return file
	}
	return entry
}

// PatchFiles returns the files of a kustomization's patches, and inline patches.
func PatchFiles(k types.Kustomization) []string {
	files, operations := olderPatches(k)
	for _, p := range slices.Concat(k.Patches, operations) {
		files = append(files, p.Path)
	}
	return files
}

// Adds reports whether a generator adds to an object of another generator or file.
func Adds(g types.GeneratorArgs) bool { return g.Behavior == "merge" || g.Behavior == "replace" }

// IsManifest reports whether a file's name has an extension of YAML.
func IsManifest(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// Address matches an entry that kustomize reads as a URL or, with a user name, as a
// repository.
var Address = regexp.MustCompile(`(?i)^(git::|https?:|ssh:|file:|gh:|(www\.)?github\.com[:/]|[a-z][a-z0-9-]*@)`)

// MakesObjects reports whether a layer may create objects, or change names of objects, in
// a way that no file shows.
func (t *Tree) MakesObjects(l Layer) bool {
	return len(l.Generators)+len(l.HelmCharts)+len(l.Components) > 0 ||
		slices.ContainsFunc(l.Transformers, func(entry string) bool { return !t.onlyMarks(path.Join(l.Dir, entry)) })
}

// onlyMarks reports whether a transformer file changes only labels and annotations.
func (t *Tree) onlyMarks(name string) bool {
	f := t.Read(name)
	return f != nil && len(f.Documents) > 0 && !slices.ContainsFunc(f.Documents, func(d *Document) bool {
		kind := d.Text("kind")
		return d.Text("apiVersion") != "builtin" || kind != "LabelTransformer" && kind != "AnnotationsTransformer"
	})
}
