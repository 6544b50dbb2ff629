package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
)

// sources finds the artifacts behind source references. Each tree is read once
// for all clusters.
type sources struct {
	repository string // the repository's folder
	work       string
	self       *artifact.Artifact
	// own makes an artifact of this repository as a source asks for it.
	own    func(options artifact.Options, into string) (*artifact.Artifact, error)
	config config.Config
	charts []string // see Options.Charts
	// known are the artifacts made so far, by what they are made of.
	known   once[string, *artifact.Artifact]
	builder *builder
}

func newSources(repository, work string, self *artifact.Artifact, config config.Config, builder *builder) *sources {
	return &sources{repository: repository, work: work, self: self, config: config, builder: builder}
}

// unresolved is the error of a source that cannot be had offline.
type unresolved struct{ reason string }

func (u unresolved) Error() string { return u.reason }

var (
	generatorKind        = schema.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"}
	externalArtifactKind = schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: sourcev1.ExternalArtifactKind}
)

// ready tells whether the object behind a source reference is applied.
func (s *sources) ready(w *walk, k *Applier) bool {
	key := sourceKey(k.Namespace, k.Spec.SourceRef)
	return w.isSelf(key) || w.cluster.index[key] != nil || w.generated[key] != nil
}

// isSelf tells whether a source is this repository: the one that the root
// Kustomization names, whatever its URL. When the repository does not declare
// the root, `flux bootstrap` or a FluxInstance did, under the root's name.
func (w *walk) isSelf(key Key) bool {
	undeclared := w.root.Object == nil && key.Namespace == w.root.Namespace && key.Name == w.root.Name && w.cluster.index[key] == nil
	return undeclared || key == w.synced || key == sourceKey(w.root.Namespace, w.root.Spec.SourceRef)
}

// render renders one Kustomization: its source, its build, its variables. What
// is unknown goes to the cluster.
func (s *sources) render(ctx context.Context, w *walk, k *Applier) ([]*Object, []Failure, error) {
	key := sourceKey(k.Namespace, k.Spec.SourceRef)
	source, err := s.artifact(ctx, w, key, nil)
	var missing unresolved
	var undeclared noSource
	switch {
	case errors.As(err, &missing):
		w.unknown(k.Object, missing.reason, "spec", "sourceRef")
		return nil, nil, nil
	case errors.As(err, &undeclared):
		return nil, []Failure{undeclared.failure(k, k.locate("spec", "sourceRef", w.wrong(key)), "sourceRef")}, nil
	case err != nil:
		return nil, nil, err
	}
	return s.builder.render(ctx, w, k, source)
}

// wrong is the field of a source reference to correct: its kind if a source of
// another one has the name.
func (w *walk) wrong(key Key) string {
	for other := range w.cluster.index {
		if other.Group == key.Group && other.Namespace == key.Namespace && other.Name == key.Name {
			return "kind"
		}
	}
	return "name"
}

// noSource is the error of a source that nothing declares.
type noSource struct {
	key Key
	by  *Object // the ArtifactGenerator or GitRepository that names it, if not the Kustomization
}

func (n noSource) Error() string { return "nothing declares " + n.key.String() }

// failure is that of what needs the source, and names it at a place.
func (n noSource) failure(k *Applier, at Location, who string) Failure {
	if n.by != nil {
		field := "sources" // of an ArtifactGenerator
		if n.by.GetKind() == sourcev1.GitRepositoryKind {
			field = "include"
		}
		at, who = n.by.Locate("spec", field), n.by.Key().String()
	}
	return Failure{
		Cause: SourceMissing, Applier: k, Subject: n.key.Name,
		Message: fmt.Sprintf("%s names %s, which nothing in this cluster declares", who, n.key),
		Fix:     "declare the source in a folder that the cluster applies, or correct the name, kind or namespace",
		At:      at,
	}
}

// artifact is the content of a source. The objects it comes through are kept,
// because they may go in circles.
func (s *sources) artifact(ctx context.Context, w *walk, key Key, through []*Object) (*artifact.Artifact, error) {
	object := w.cluster.index[key]
	if w.isSelf(key) && object == nil {
		return s.self, nil
	}
	if generator := w.generated[key]; generator != nil {
		if slices.Contains(through, generator) {
			return nil, unresolved{fmt.Sprintf("%s makes %s of itself", generator.Key(), key)}
		}
		return s.compose(ctx, w, generator, key.Name, append(through, generator))
	}
	switch {
	case object == nil && len(through) > 0:
		return nil, noSource{key, through[len(through)-1]}
	case object == nil:
		return nil, noSource{key: key}
	case key.Kind != sourcev1.GitRepositoryKind:
		url, _, _ := unstructured.NestedString(object.Object, "spec", "url")
		ignore, _, _ := unstructured.NestedString(object.Object, "spec", "ignore")
		return s.located(ctx, w, url, "", artifact.Options{Ignore: ignore}, key)
	}
	var repository sourcev1.GitRepository
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &repository); err != nil {
		return nil, unresolved{fmt.Sprintf("%s is malformed: %v", key, err)}
	}
	if slices.Contains(through, object) {
		return nil, unresolved{fmt.Sprintf("%s includes itself", key)}
	}
	options, err := s.options(ctx, w, repository, key, append(through, object))
	if err != nil {
		return nil, err
	}
	tag := ""
	if ref := repository.Spec.Reference; ref != nil {
		tag = ref.Tag
	}
	a, err := s.located(ctx, w, repository.Spec.URL, tag, options, key)
	if err != nil && len(options.Includes) > 0 && !errors.As(err, new(unresolved)) {
		return nil, unresolved{fmt.Sprintf("%s cannot be put together: %v", key, err)}
	}
	return a, err
}

// options are what a GitRepository says about its artifact.
func (s *sources) options(ctx context.Context, w *walk, repository sourcev1.GitRepository, key Key, through []*Object) (artifact.Options, error) {
	options := artifact.Options{Folders: repository.Spec.SparseCheckout}
	if ignore := repository.Spec.Ignore; ignore != nil {
		options.Ignore = *ignore
	}
	for _, include := range repository.Spec.Include {
		from, err := s.artifact(ctx, w, Key{key.GroupKind, key.Namespace, include.GitRepositoryRef.Name}, through)
		if err != nil {
			return options, err
		}
		options.Includes = append(options.Includes, artifact.Include{From: from, Path: include.GetFromPath(), To: include.GetToPath()})
	}
	return options, nil
}

// located finds the content of a URL on this machine: in this repository, where
// the configuration says, or in the Go module cache when the URL is that of a
// module.
func (s *sources) located(ctx context.Context, w *walk, url, tag string, options artifact.Options, key Key) (*artifact.Artifact, error) {
	if w.isSelf(key) {
		if contentOf(options) == contentOf(artifact.Options{}) {
			return s.self, nil
		}
		return s.once("self "+contentOf(options), func(into string) (*artifact.Artifact, error) { return s.own(options, into) })
	}
	for _, source := range s.config.Sources {
		switch {
		case source.URL != url:
			continue
		case source.Module != "":
			return s.module(ctx, source.Module, tag, options, key)
		default:
			return s.folder(filepath.Join(s.repository, source.Path), source.Path, options)
		}
	}
	path, found := modulePath(url, tag)
	if !found {
		return nil, unresolved{fmt.Sprintf("the content of %s, %q, is not on this machine: map its url to a path or a Go module in %s, under sources", key, url, config.Name)}
	}
	return s.module(ctx, path, tag, options, key)
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
func (s *sources) module(ctx context.Context, path, version string, options artifact.Options, key Key) (*artifact.Artifact, error) {
	name := path + "@" + version
	dir, err := s.moduleDir(ctx, path, version)
	if err != nil {
		return nil, unresolved{fmt.Sprintf("the content of %s is Go module %s, which is not on this machine (%v): pin it below the folder that %s names under pins, or run `go mod download %s`", key, name, err, config.Name, name)}
	}
	content := name + " " + dir + " " + contentOf(options)
	if len(options.Includes) == 0 {
		return s.builder.memory.artifact(content, func(into string) (*artifact.Artifact, error) {
			return artifact.FromModule(dir, name, options, into)
		})
	}
	return s.once(content, func(into string) (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, options, into)
	})
}

// once makes an artifact in a folder, unless there is one of the same content.
func (s *sources) once(content string, make func(into string) (*artifact.Artifact, error)) (*artifact.Artifact, error) {
	return s.known.get(content, func() (*artifact.Artifact, error) {
		into, err := freshFolder(s.work)
		if err != nil {
			return nil, err
		}
		return make(into)
	})
}

func (s *sources) moduleDir(ctx context.Context, path, version string) (string, error) {
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
	if s.config.Pins == "" {
		return "", errors.New("it is not in the module cache")
	}
	all, err := pins.Load(filepath.Join(s.repository, s.config.Pins))
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if pinned, err := p.VersionOf(path); err == nil && pinned == version {
			return p.SourceOf(ctx, path)
		}
	}
	return "", fmt.Errorf("it is not in the module cache, and nothing below %s pins it", s.config.Pins)
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

func (s *sources) folder(dir, name string, options artifact.Options) (*artifact.Artifact, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, unresolved{fmt.Sprintf("%s maps a source to %s, which does not exist", config.Name, name)}
	}
	name = path.Clean(filepath.ToSlash(name))
	return s.once(name+" "+contentOf(options), func(into string) (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, options, into)
	})
}

// artifactGenerator is the part of source-watcher's API that composing needs:
// https://fluxcd.io/flux/components/source/artifactgenerators/
type artifactGenerator struct {
	Spec struct {
		Sources   []generatorSource   `json:"sources"`
		Artifacts []generatorArtifact `json:"artifacts"`
	} `json:"spec"`
}

type generatorSource struct {
	Alias     string `json:"alias"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type generatorArtifact struct {
	Name string `json:"name"`
	Copy []struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"copy"`
}

// compose makes an artifact as an ArtifactGenerator describes it.
func (s *sources) compose(ctx context.Context, w *walk, object *Object, name string, through []*Object) (*artifact.Artifact, error) {
	var generator artifactGenerator
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &generator); err != nil {
		return nil, unresolved{fmt.Sprintf("%s is malformed: %v", object.Key(), err)}
	}
	inputs := map[string]*artifact.Artifact{}
	content := ""
	for _, source := range generator.Spec.Sources {
		key := Key{schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: source.Kind}, cmp.Or(source.Namespace, object.GetNamespace()), source.Name}
		input, err := s.artifact(ctx, w, key, through)
		if err != nil {
			return nil, err
		}
		inputs[source.Alias] = input
		content += fmt.Sprintf("%q=%q ", source.Alias, input.Dir)
	}
	i := slices.IndexFunc(generator.Spec.Artifacts, func(a generatorArtifact) bool { return a.Name == name })
	var copies []artifact.Copy
	for _, c := range generator.Spec.Artifacts[i].Copy {
		copies = append(copies, artifact.Copy{From: c.From, To: c.To})
	}
	a, err := s.once(content+fmt.Sprintf("%q", copies), func(into string) (*artifact.Artifact, error) {
		return artifact.Compose(inputs, copies, into)
	})
	if err != nil {
		return nil, unresolved{fmt.Sprintf("%s cannot be composed: %v", object.Key(), err)}
	}
	return a, nil
}
