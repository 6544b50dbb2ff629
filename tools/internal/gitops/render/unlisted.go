package render

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Unlisted is a manifest beside a kustomization file that nothing names: it
// looks as if it were applied, and is not.
type Unlisted struct {
	// At is where the kustomization lists its resources.
	At Location
	// File is the manifest, Kind and Name are those of its first object.
	File, Name string
	Kind       schema.GroupVersionKind
}

// Unlisted lists the manifests of the repository that its builds pass over. One
// that any YAML file names, be it in a comment, is left out on purpose.
func (k *Applier) Unlisted() []Unlisted {
	if k.build == nil || k.build.err != nil || k.build.source.Name != "" {
		return nil
	}
	var unlisted []Unlisted
	for _, l := range k.build.origin().layers {
		if len(l.documents) == 0 {
			continue // Flux lists all there is
		}
		for _, name := range k.build.beside(l) {
			if d := k.build.firstObject(name); d != nil && !mentioned(k.build.source.Dir, name) {
				kind := schema.FromAPIVersionAndKind(d.text("apiVersion"), d.text("kind"))
				unlisted = append(unlisted, Unlisted{l.at("resources"), d.file.name, d.text("metadata", "name"), kind})
			}
		}
	}
	return unlisted
}

// pattern is a manifest that others shall copy, by its name.
var pattern = regexp.MustCompile(`(?i)example|sample|template`)

// beside are the YAML files in a layer's folder that it does not load.
func (b *build) beside(l origin) []string {
	entries, err := os.ReadDir(filepath.Join(b.source.Dir, filepath.FromSlash(l.dir)))
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		name := path.Join(l.dir, entry.Name())
		loads := func(file string) bool { return path.Join(l.dir, file) == name }
		if !entry.IsDir() && isManifest(name) && name != l.file && !pattern.MatchString(entry.Name()) && !slices.ContainsFunc(loaded(l.Kustomization), loads) {
			names = append(names, name)
		}
	}
	return names
}

func isManifest(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// firstObject is the first document of a file if that is an object for a
// cluster.
func (b *build) firstObject(name string) *document {
	f := b.read(name)
	if f == nil || len(f.documents) == 0 {
		return nil
	}
	d := f.documents[0]
	if d.text("kind") == "" || d.text("metadata", "name") == "" || d.text("metadata", "annotations", "config.kubernetes.io/local-config") == "true" {
		return nil
	}
	return d
}

// mentioned tells whether a YAML file below a folder names another one, from
// where it stands or from the folder.
func mentioned(root, name string) bool {
	token := regexp.MustCompile(`[\w@./-]*` + regexp.QuoteMeta(path.Base(name)))
	found := false
	_ = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || found || entry.IsDir() || !isManifest(file) {
			return nil // what cannot be read names nothing
		}
		data, _ := os.ReadFile(file)
		relative, _ := filepath.Rel(root, file)
		for _, said := range token.FindAllString(string(data), -1) {
			from := path.Join(path.Dir(filepath.ToSlash(relative)), said)
			found = found || from == name || said == name || strings.Contains(said, "/") && strings.HasSuffix(name, "/"+path.Clean(said))
		}
		return nil
	})
	return found
}
