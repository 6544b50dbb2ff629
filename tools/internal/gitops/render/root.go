package render

import (
	"cmp"
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// renderRoot renders the root by its own declaration in the repository, if there is one:
// `flux bootstrap` writes it into the folder that it applies, and flux-operator makes it
// from a FluxInstance.
func (w *walk) renderRoot(ctx context.Context) error {
	w.root = &Applier{Namespace: rootName, Name: rootName}
	w.root.Spec.Path, w.root.Spec.Prune = "./"+w.cluster.Path, true
	w.root.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: sourcev1.GitRepositoryKind, Name: rootName}
	first, err := w.render(ctx, w.root) // only for its objects; it is rendered again below
	if err != nil {
		return err
	}
	synced := false
	for _, object := range first.objects {
		if source, found := w.syncs(object); found {
			synced = true
			w.root.Namespace, w.root.Name = source.Namespace, source.Name
			w.root.Spec.SourceRef.Kind, w.root.Spec.SourceRef.Name = source.Kind, source.Name
		}
	}
	if declared := w.declaredRoot(first.objects); declared != nil {
		w.root = declared
	}
	if w.root.Object == nil && !synced {
		w.adopt(first.objects)
		w.root.outside = isSubstituted(first.objects)
		w.strange = w.root.outside || !bootstraps(first.objects)
	}
	if err := w.apply(ctx, w.root); err != nil {
		return err
	}
	if object := w.cluster.index[w.root.Key()]; object != nil && w.root.Object != nil {
		w.root.Object = object // the root itself, with its own object
	}
	return nil
}

// declaredRoot returns the Kustomization in a cluster's folder that applies this folder:
// the one that `flux bootstrap` names, or else the first. It returns nil if
// Kustomizations use the source of `flux bootstrap` and nothing declares that source:
// then a path may belong to another repository.
func (w *walk) declaredRoot(objects []*Object) *Applier {
	var first *Applier
	bootstrapped, declared := false, false
	for _, object := range objects {
		key := object.Key()
		declared = declared || key.Group == sourcev1.GroupVersion.Group && key.Namespace == rootName && key.Name == rootName
		if key.GroupKind != kustomizationKind {
			continue
		}
		k, err := newKustomization(object, nil)
		if err != nil {
			continue
		}
		source := sourceKey(k.Namespace, k.Spec.SourceRef)
		bootstrapped = bootstrapped || source.Namespace == rootName && source.Name == rootName
		switch {
		case path.Clean(k.Spec.Path) != w.cluster.Path:
		case k.Namespace == rootName && k.Name == rootName:
			return k
		case first == nil:
			first = k
		}
	}
	if bootstrapped && !declared {
		return nil
	}
	return first
}

// syncs returns the source that flux-operator makes from a FluxInstance, or from its
// chart's release, if its sync is for the cluster's folder. Source and Kustomization have
// the name in sync, or the namespace's name.
func (w *walk) syncs(object *Object) (source Key, found bool) {
	var field []string
	switch object.GroupVersionKind().GroupKind() {
	case instanceKind:
		field = []string{"spec", "sync"}
	case helmReleaseKind:
		field = []string{"spec", "values", "instance", "sync"}
	default:
		return Key{}, false
	}
	sync, _, _ := unstructured.NestedMap(object.Object, field...)
	text := func(field string) string { value, _ := sync[field].(string); return value }
	kind := schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: cmp.Or(text("kind"), sourcev1.GitRepositoryKind)}
	source = Key{kind, object.GetNamespace(), cmp.Or(text("name"), object.GetNamespace())}
	return source, sync != nil && path.Join("/", text("path")) == path.Join("/", w.cluster.Path)
}

// adopt guesses the source of a FluxInstance that is not in the repository: the only
// source that is referenced but not declared, if all paths taken from it exist here.
func (w *walk) adopt(objects []*Object) {
	declared, named := map[Key]bool{}, map[Key]bool{}
	for _, object := range objects {
		declared[object.Key()] = true
	}
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind() != kustomizationKind {
			continue
		}
		k, err := newKustomization(object, nil)
		key := sourceKey(k.Namespace, k.Spec.SourceRef)
		if err != nil || declared[key] {
			continue
		}
		folder := filepath.FromSlash(strings.TrimPrefix(path.Join("/", k.Spec.Path), "/"))
		info, err := os.Stat(filepath.Join(w.sources.Self.Dir, folder))
		if folder == "" || err != nil || !info.IsDir() || key.Name == rootName || spelling.Near(key.Name, []string{rootName}) != "" {
			return
		}
		named[key] = true
	}
	if len(named) == 1 {
		for key := range named {
			w.synced = key
		}
	}
}

// bootstraps reports whether objects use the source that `flux bootstrap` makes, and
// nothing declares it: then something outside of the objects declares the root.
func bootstraps(objects []*Object) bool {
	named := false
	for _, object := range objects {
		key := object.Key()
		if key.Group == sourcev1.GroupVersion.Group && key.Namespace == rootName && key.Name == rootName {
			return false
		}
		for _, field := range [][]string{{"spec", "sourceRef"}, {"spec", "chart", "spec", "sourceRef"}} {
			reference, _, _ := unstructured.NestedMap(object.Object, field...)
			namespace, _ := reference["namespace"].(string)
			named = named || reference["name"] == rootName && cmp.Or(namespace, key.Namespace) == rootName
		}
	}
	return named
}

// noteSurroundings records that the declaration of the root is unknown, if the cluster
// needs something from it: then a parent repository, a tool or a portal provides sources,
// namespaces or variables.
func (w *walk) noteSurroundings() {
	if !w.strange {
		return
	}
	sourceMissing := slices.ContainsFunc(w.cluster.Failures, func(f Failure) bool { return f.Cause == SourceMissing })
	if !w.root.outside && !sourceMissing && !w.needsNamespaces() {
		return
	}
	w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{
		Key: w.root.Key(), Hides: HidesSurroundings, At: w.root.Locate(),
		Reason: "nothing in the repository declares the Kustomization that applies this folder: " +
			"its variables, sources and namespaces come from there",
	})
}

// needsNamespaces reports whether objects are in namespaces of their own, and the cluster
// creates none of these.
func (w *walk) needsNamespaces() bool {
	needed := false
	for key := range w.cluster.index {
		if key.GroupKind == (schema.GroupKind{Kind: "Namespace"}) {
			return false
		}
		needed = needed || !slices.Contains([]string{"", "default", "kube-system", rootName}, key.Namespace)
	}
	return needed
}
