package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

var (
	generatorKind        = schema.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"}
	externalArtifactKind = schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: sourcev1.ExternalArtifactKind}
)

// hasSource reports whether the object that a source reference names is applied.
func (w *walk) hasSource(key Key) bool {
	return w.isSelf(key) || w.cluster.index[key] != nil || w.generated[key] != nil
}

// isSelf reports whether a source is this repository: the one that the root Kustomization
// names, whatever its URL. If the repository does not declare the root, `flux bootstrap`
// or a FluxInstance did, and the source has the root's name.
func (w *walk) isSelf(key Key) bool {
	undeclared := w.root.Object == nil && key.Namespace == w.root.Namespace && key.Name == w.root.Name && w.cluster.index[key] == nil
	return undeclared || key == w.synced || key == sourceKey(w.root.Namespace, w.root.Spec.SourceRef)
}

// wrong returns the field of a source reference that is wrong: its kind, if a source of
// another kind has the name.
func (w *walk) wrong(key Key) string {
	for other := range w.cluster.index {
		if other.Group == key.Group && other.Namespace == key.Namespace && other.Name == key.Name {
			return "kind"
		}
	}
	return "name"
}

// noSource is the error for a source that nothing declares.
type noSource struct {
	key Key
	by  *Object // the ArtifactGenerator or GitRepository that names it, if not the Kustomization
}

func (n noSource) Error() string { return "nothing declares " + n.key.String() }

// failure returns the failure of the Kustomization that needs the source; who names it at
// a place.
func (n noSource) failure(k *Applier, at Location, who string) Failure {
	if n.by != nil {
		field := "sources" // the field of an ArtifactGenerator
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

// artifact returns the content of a source. through has the objects on the way, to detect
// cycles.
func (w *walk) artifact(ctx context.Context, key Key, through []*Object) (*artifact.Artifact, error) {
	object := w.cluster.index[key]
	if w.isSelf(key) && object == nil {
		return w.sources.Self, nil
	}
	if generator := w.generated[key]; generator != nil {
		if slices.Contains(through, generator) {
			return nil, source.Unresolved{Reason: fmt.Sprintf("%s makes %s of itself", generator.Key(), key)}
		}
		return w.composed(ctx, generator, key.Name, append(through, generator))
	}
	switch {
	case object == nil && len(through) > 0:
		return nil, noSource{key, through[len(through)-1]}
	case object == nil:
		return nil, noSource{key: key}
	case key.Kind != sourcev1.GitRepositoryKind:
		url, _, _ := unstructured.NestedString(object.Object, "spec", "url")
		ignore, _, _ := unstructured.NestedString(object.Object, "spec", "ignore")
		return w.located(ctx, url, "", artifact.Options{Ignore: ignore}, key)
	}
	var repository sourcev1.GitRepository
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &repository); err != nil {
		return nil, source.Unresolved{Reason: fmt.Sprintf("%s is malformed: %v", key, err)}
	}
	if slices.Contains(through, object) {
		return nil, source.Unresolved{Reason: fmt.Sprintf("%s includes itself", key)}
	}
	options, err := w.sourceOptions(ctx, repository, key, append(through, object))
	if err != nil {
		return nil, err
	}
	tag := ""
	if ref := repository.Spec.Reference; ref != nil {
		tag = ref.Tag
	}
	a, err := w.located(ctx, repository.Spec.URL, tag, options, key)
	if err != nil && len(options.Includes) > 0 && !errors.As(err, new(source.Unresolved)) {
		return nil, source.Unresolved{Reason: fmt.Sprintf("%s cannot be put together: %v", key, err)}
	}
	return a, err
}

// sourceOptions returns a GitRepository's settings for its artifact.
func (w *walk) sourceOptions(
	ctx context.Context, repository sourcev1.GitRepository, key Key, through []*Object,
) (artifact.Options, error) {
	options := artifact.Options{Folders: repository.Spec.SparseCheckout}
	if ignore := repository.Spec.Ignore; ignore != nil {
		options.Ignore = *ignore
	}
	for _, include := range repository.Spec.Include {
		from, err := w.artifact(ctx, Key{key.GroupKind, key.Namespace, include.GitRepositoryRef.Name}, through)
		if err != nil {
			return options, err
		}
		options.Includes = append(options.Includes, artifact.Include{From: from, Path: include.GetFromPath(), To: include.GetToPath()})
	}
	return options, nil
}

func (w *walk) located(ctx context.Context, url, tag string, options artifact.Options, key Key) (*artifact.Artifact, error) {
	if w.isSelf(key) {
		return w.sources.OwnContent(options)
	}
	return w.sources.Find(ctx, url, tag, options, key.String())
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

// composed returns the artifact that an ArtifactGenerator describes.
func (w *walk) composed(ctx context.Context, object *Object, name string, through []*Object) (*artifact.Artifact, error) {
	var generator artifactGenerator
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &generator); err != nil {
		return nil, source.Unresolved{Reason: fmt.Sprintf("%s is malformed: %v", object.Key(), err)}
	}
	var inputs []source.Input
	for _, s := range generator.Spec.Sources {
		kind := schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: s.Kind}
		input, err := w.artifact(ctx, Key{kind, cmp.Or(s.Namespace, object.GetNamespace()), s.Name}, through)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, source.Input{Alias: s.Alias, Artifact: input})
	}
	i := slices.IndexFunc(generator.Spec.Artifacts, func(a generatorArtifact) bool { return a.Name == name })
	var copies []artifact.Copy
	for _, c := range generator.Spec.Artifacts[i].Copy {
		copies = append(copies, artifact.Copy{From: c.From, To: c.To})
	}
	a, err := w.sources.Compose(inputs, copies)
	if err != nil {
		return nil, source.Unresolved{Reason: fmt.Sprintf("%s cannot be composed: %v", object.Key(), err)}
	}
	return a, nil
}
