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

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/pins"
)

// sources finds the artifacts behind source references. Each tree is read once
// for all clusters.
type sources struct {
	repository string // the repository's folder
	work       string
	self       *artifact.Artifact
	config     config.Config
	// known are the artifacts made so far, by what they are made of.
	known   map[string]*artifact.Artifact
	builder *builder
	count   int
}

func newSources(repository, work string, self *artifact.Artifact, config config.Config, builder *builder) *sources {
	return &sources{repository: repository, work: work, self: self, config: config, known: map[string]*artifact.Artifact{}, builder: builder}
}

// unresolved is the error of a source that cannot be had offline.
type unresolved struct{ reason string }

func (u unresolved) Error() string { return u.reason }

var (
	generatorKind        = schema.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"}
	externalArtifactKind = schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: sourcev1.ExternalArtifactKind}
)

// ready tells whether the object behind a source reference is applied.
func (s *sources) ready(w *walk, k *Kustomization) bool {
	key := sourceKey(k.Namespace, k.Spec.SourceRef)
	return w.isSelf(key) || w.cluster.index[key] != nil || w.generated[key] != nil
}

// isSelf tells whether a source is this repository: the one that the root
// Kustomization names, whatever its URL. When the repository does not declare
// the root, `flux bootstrap` or a FluxInstance did, under that name.
func (w *walk) isSelf(key Key) bool {
	undeclared := w.root.Object == nil && key.Namespace == rootName && key.Name == rootName && w.cluster.index[key] == nil
	return undeclared || key == sourceKey(w.root.Namespace, w.root.Spec.SourceRef)
}

// render renders one Kustomization: its source, its build, its variables. What
// is unknown goes to the cluster.
func (s *sources) render(ctx context.Context, w *walk, k *Kustomization) ([]*Object, []Failure, error) {
	key := sourceKey(k.Namespace, k.Spec.SourceRef)
	source, err := s.artifact(ctx, w, key, nil)
	var missing unresolved
	var undeclared noSource
	switch {
	case errors.As(err, &missing):
		w.unknown(k.Object, missing.reason, "spec", "sourceRef")
		return nil, nil, nil
	case errors.As(err, &undeclared):
		at, who := k.locate("spec", "sourceRef", "name"), "sourceRef"
		if undeclared.by != nil {
			at, who = undeclared.by.Locate("spec", "sources"), undeclared.by.Key().String()
		}
		return nil, []Failure{{
			Cause: SourceMissing, Kustomization: k, Subject: undeclared.key.Name,
			Message: fmt.Sprintf("%s names %s, which nothing in this cluster declares", who, undeclared.key),
			Mend:    "declare the source in a folder that the cluster applies, or correct the name, kind or namespace",
			At:      at,
		}}, nil
	case err != nil:
		return nil, nil, err
	}
	return s.builder.render(ctx, w, k, source)
}

// noSource is the error of a source that nothing declares.
type noSource struct {
	key Key
	by  *Object // the ArtifactGenerator that names it, if not the Kustomization
}

func (n noSource) Error() string { return "nothing declares " + n.key.String() }

// artifact is the content of a source. The generators it comes through are
// kept, because they may go in circles.
func (s *sources) artifact(ctx context.Context, w *walk, key Key, through []*Object) (*artifact.Artifact, error) {
	if w.isSelf(key) {
		return s.self, nil
	}
	if generator := w.generated[key]; generator != nil {
		if slices.Contains(through, generator) {
			return nil, unresolved{fmt.Sprintf("%s makes %s of itself", generator.Key(), key)}
		}
		return s.compose(ctx, w, generator, key.Name, append(through, generator))
	}
	object := w.cluster.index[key]
	switch {
	case object == nil && len(through) > 0:
		return nil, noSource{key, through[len(through)-1]}
	case object == nil:
		return nil, noSource{key: key}
	case key.Kind != sourcev1.GitRepositoryKind:
		url, _, _ := unstructured.NestedString(object.Object, "spec", "url")
		return s.mapped(ctx, url, "", nil, key)
	}
	var repository sourcev1.GitRepository
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &repository); err != nil {
		return nil, unresolved{fmt.Sprintf("%s is malformed: %v", key, err)}
	}
	tag := ""
	if ref := repository.Spec.Reference; ref != nil {
		tag = ref.Tag
	}
	return s.mapped(ctx, repository.Spec.URL, tag, repository.Spec.SparseCheckout, key)
}

// mapped finds the content of a URL on this machine: where the configuration
// says, or in the Go module cache when the URL is that of a module.
func (s *sources) mapped(ctx context.Context, url, tag string, folders []string, key Key) (*artifact.Artifact, error) {
	for _, source := range s.config.Sources {
		switch {
		case source.URL != url:
			continue
		case source.Module != "":
			return s.module(ctx, source.Module, tag, folders, key)
		default:
			return s.folder(filepath.Join(s.repository, source.Path), source.Path, folders)
		}
	}
	path, found := modulePath(url, tag)
	if !found {
		return nil, unresolved{fmt.Sprintf("the content of %s, %q, is not on this machine: map its url to a path or a Go module in %s, under sources", key, url, config.Name)}
	}
	return s.module(ctx, path, tag, folders, key)
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
func (s *sources) module(ctx context.Context, path, version string, folders []string, key Key) (*artifact.Artifact, error) {
	name := path + "@" + version
	dir, err := s.moduleDir(ctx, path, version)
	if err != nil {
		return nil, unresolved{fmt.Sprintf("the content of %s is Go module %s, which is not on this machine (%v): pin it below the folder that %s names under pins, or run `go mod download %s`", key, name, err, config.Name, name)}
	}
	return s.once(fmt.Sprintf("%s %q", name, folders), func() (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, folders, s.folderName(key.Name))
	})
}

// once makes an artifact unless there is one of the same content.
func (s *sources) once(content string, make func() (*artifact.Artifact, error)) (*artifact.Artifact, error) {
	if a := s.known[content]; a != nil {
		return a, nil
	}
	a, err := make()
	if err == nil {
		s.known[content] = a
	}
	return a, err
}

func (s *sources) moduleDir(ctx context.Context, path, version string) (string, error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	cache, err := moduleCache(ctx)
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
// than rendering a small cluster, so what it would look at first goes first.
func moduleCache(ctx context.Context) (string, error) {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return dir, nil
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its module cache: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *sources) folder(dir, name string, folders []string) (*artifact.Artifact, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, unresolved{fmt.Sprintf("%s maps a source to %s, which does not exist", config.Name, name)}
	}
	name = path.Clean(filepath.ToSlash(name))
	return s.once(fmt.Sprintf("%s %q", name, folders), func() (*artifact.Artifact, error) {
		return artifact.FromModule(dir, name, folders, s.folderName(path.Base(name)))
	})
}

// folderName is a fresh folder for an artifact.
func (s *sources) folderName(name string) string {
	s.count++
	return filepath.Join(s.work, fmt.Sprintf("%d-%s", s.count, filepath.Base(filepath.Clean("/"+name))))
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
	a, err := s.once(content+fmt.Sprintf("%q", copies), func() (*artifact.Artifact, error) {
		return artifact.Compose(inputs, copies, s.folderName("composed"))
	})
	if err != nil {
		return nil, unresolved{fmt.Sprintf("%s cannot be composed: %v", object.Key(), err)}
	}
	return a, nil
}
