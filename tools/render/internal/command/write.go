package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// writeYAML writes one document for each object, after a comment with its origin.
func writeYAML(out io.Writer, repository *model.Repository) error {
	for _, cluster := range repository.Clusters {
		for _, object := range inOrder(cluster) {
			document, err := yamlDocument(cluster, object)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "---\n%s", document); err != nil {
				return err
			}
		}
	}
	return nil
}

func yamlDocument(cluster *model.Cluster, object *render.Object) ([]byte, error) {
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object.Key(), err)
	}
	by := object.Owner.String()
	if object.Composite != nil {
		by = "composed of " + object.Composite.Key().String()
	}
	return fmt.Appendf(nil, "# %s, %s, %s\n%s", cluster.Path, by, place(object.Locate()), text), nil
}

// inOrder returns the objects in the order in which Flux applies them, each composite
// resource followed by the resources that Crossplane composes for it.
func inOrder(cluster *model.Cluster) []*render.Object {
	return withComposed(cluster, cluster.All())
}

func withComposed(cluster *model.Cluster, objects []*render.Object) []*render.Object {
	var all []*render.Object
	for _, object := range objects {
		all = append(all, object)
		all = append(all, composedOf(cluster, object)...)
	}
	return all
}

func composedOf(cluster *model.Cluster, composite *render.Object) []*render.Object {
	var all []*render.Object
	for _, object := range cluster.Composed() {
		if object.Composite == composite {
			all = append(all, object)
		}
	}
	return all
}

// jsonObject is an object and its origin.
type jsonObject struct {
	Cluster       string `json:"cluster"`
	Kustomization string `json:"kustomization"`
	// ComposedOf is the composite resource for which Crossplane composes the object;
	// empty for objects that Flux applies.
	ComposedOf string         `json:"composedOf,omitempty"`
	File       string         `json:"file,omitempty"`
	Line       int            `json:"line,omitempty"`
	Object     map[string]any `json:"object"`
}

func newJSONObject(cluster *model.Cluster, object *render.Object) jsonObject {
	at := object.Locate()
	entry := jsonObject{Cluster: cluster.Path, Kustomization: object.Owner.String(), File: at.File, Line: at.Line, Object: object.Object}
	if object.Composite != nil {
		entry.ComposedOf = object.Composite.Key().String()
	}
	return entry
}

func writeJSON(out io.Writer, repository *model.Repository) error {
	objects := []jsonObject{}
	for _, cluster := range repository.Clusters {
		for _, object := range inOrder(cluster) {
			objects = append(objects, newJSONObject(cluster, object))
		}
	}
	return encodeJSON(out, objects)
}

func encodeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeTree writes one file for each object, cluster/kustomization/object. The folder
// must be empty, or an earlier run's files would look like part of this one.
func writeTree(dir, format string, repository *model.Repository) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("--out=%s: the folder is not empty: name a new one", dir)
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("--out: %w", err)
	}
	tree := tree{dir: dir, format: format, taken: map[string]bool{}}
	for _, cluster := range repository.Clusters {
		if err := tree.addCluster(cluster); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	return nil
}

type tree struct {
	dir, format string
	taken       map[string]bool
}

func (t *tree) addCluster(cluster *model.Cluster) error {
	folder := t.name(".", "", cluster.Name, cluster.Path)
	for _, k := range slices.Concat(cluster.Kustomizations(), cluster.Releases()) {
		sub := t.name(folder, "", k.Name, k.Namespace+"-"+k.Name)
		for _, object := range withComposed(cluster, k.Objects) {
			text, err := t.encode(cluster, object)
			if err != nil {
				return err
			}
			key := object.Key()
			rest := "-" + key.Name
			if key.Namespace != "" {
				rest = "-" + key.Namespace + rest
			}
			name := t.name(sub, "."+t.format, key.Kind+rest, key.Kind+"."+key.Group+rest)
			if err := write(filepath.Join(t.dir, name), text); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tree) encode(cluster *model.Cluster, object *render.Object) ([]byte, error) {
	if t.format == "yaml" {
		return yamlDocument(cluster, object)
	}
	var text bytes.Buffer
	err := encodeJSON(&text, newJSONObject(cluster, object))
	return text.Bytes(), err
}

// name returns the first of the candidates that is free in a folder. Names are lower
// case, as in Kubernetes, since a file system may ignore case.
func (t *tree) name(folder, extension string, candidates ...string) string {
	for n := 2; ; n++ {
		for _, candidate := range candidates {
			name := filepath.Join(folder, fileName(candidate)+extension)
			if !t.taken[name] {
				t.taken[name] = true
				return name
			}
		}
		candidates = []string{fmt.Sprintf("%s-%d", candidates[0], n)}
	}
}

var separators = strings.NewReplacer("/", "-", `\`, "-", ":", "-")

// fileName returns a name without the characters that would split a path.
func fileName(name string) string {
	name = strings.TrimLeft(separators.Replace(strings.ToLower(name)), ".")
	if name == "" {
		return "unnamed"
	}
	return name
}

func write(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, fs.FileMode(0o644))
}
