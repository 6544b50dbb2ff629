package render

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// rootName is what `flux bootstrap` calls the root Kustomization, its source
// and their namespace.
const rootName = "flux-system"

var kustomizationKind = schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}

// walk renders one cluster from its root Kustomization on.
type walk struct {
	sources *sources
	cluster *Cluster
	lenient bool
	pending []*Kustomization
}

func newWalk(sources *sources, folder string, lenient bool) *walk {
	return &walk{
		sources: sources,
		cluster: &Cluster{Name: path.Base(folder), Path: folder, index: map[Key]*Object{}},
		lenient: lenient,
	}
}

func (w *walk) run(ctx context.Context) error {
	root := &Kustomization{Namespace: rootName, Name: rootName}
	root.Spec.Path = "./" + w.cluster.Path
	root.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: rootName}
	if err := w.renderRoot(ctx, root); err != nil {
		return err
	}
	for len(w.pending) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := w.next()
		if err := w.apply(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// renderRoot renders the root as its own declaration in the repository says,
// where there is one: `flux bootstrap` writes it into what it applies.
func (w *walk) renderRoot(ctx context.Context, root *Kustomization) error {
	objects, _, err := w.sources.render(ctx, w, root)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind() != kustomizationKind {
			continue
		}
		declared, err := w.kustomization(object, root)
		if err == nil && path.Clean(declared.Spec.Path) == w.cluster.Path {
			root.Object, root.Namespace, root.Name, root.Spec = object, declared.Namespace, declared.Name, declared.Spec
		}
	}
	w.sources.root = sourceKey(root.Namespace, root.Spec.SourceRef)
	return w.apply(ctx, root)
}

// next takes the first Kustomization whose dependencies are applied and whose
// variables are known. When none is ready the first one goes: what it lacks is
// then a failure with a name.
func (w *walk) next() *Kustomization {
	ready := max(0, slices.IndexFunc(w.pending, w.ready))
	next := w.pending[ready]
	w.pending = slices.Delete(w.pending, ready, ready+1)
	return next
}

func (w *walk) ready(k *Kustomization) bool {
	for _, dependency := range k.Spec.DependsOn {
		key := Key{kustomizationKind, or(dependency.Namespace, k.Namespace), dependency.Name}
		if !w.settled(key, nil) {
			return false
		}
	}
	if k.Spec.PostBuild != nil {
		for _, reference := range k.Spec.PostBuild.SubstituteFrom {
			if !reference.Optional && w.cluster.index[variablesKey(k, reference)] == nil {
				return false
			}
		}
	}
	return w.sources.ready(w, k)
}

// settled tells whether a Kustomization is applied and, when it waits for what
// it applies, whether the Kustomizations among that are settled too.
func (w *walk) settled(key Key, waiting []Key) bool {
	if slices.Contains(waiting, key) {
		return true // a Kustomization that waits for itself: the rules name it
	}
	i := slices.IndexFunc(w.cluster.Kustomizations, func(k *Kustomization) bool { return k.key() == key })
	if i < 0 {
		return slices.ContainsFunc(w.cluster.Unknowns, func(u Unknown) bool { return u.Object != nil && u.Object.Key() == key })
	}
	k := w.cluster.Kustomizations[i]
	if !k.Spec.Wait {
		return true
	}
	for _, object := range k.Objects {
		if object.GroupVersionKind().GroupKind() == kustomizationKind && !w.settled(object.Key(), append(waiting, key)) {
			return false
		}
	}
	return true
}

func variablesKey(k *Kustomization, reference kustomizev1.SubstituteReference) Key {
	return Key{schema.GroupKind{Kind: reference.Kind}, k.Namespace, reference.Name}
}

// apply renders a Kustomization and does with the objects what their apply
// would do: they can be found from then on, and Kustomizations among them start.
func (w *walk) apply(ctx context.Context, k *Kustomization) error {
	w.cluster.Kustomizations = append(w.cluster.Kustomizations, k)
	objects, failures, err := w.sources.render(ctx, w, k)
	if err != nil {
		return err
	}
	w.cluster.Failures = append(w.cluster.Failures, failures...)
	k.Objects = objects
	if meta := k.Spec.CommonMetadata; meta != nil {
		ssautil.SetCommonMetadata(unstructuredOf(objects), meta.Labels, meta.Annotations)
	}
	sortObjects(objects)
	for _, object := range objects {
		setOwner(object.Unstructured, k)
		w.cluster.index[object.Key()] = object
	}
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind() == kustomizationKind {
			w.enqueue(object, k)
		}
	}
	return nil
}

func (w *walk) enqueue(object *Object, parent *Kustomization) {
	child, err := w.kustomization(object, parent)
	if err != nil {
		w.cluster.Failures = append(w.cluster.Failures, Failure{
			Cause: InvalidSpec, Kustomization: child, Message: err.Error(),
			Mend: "compare it with the specification of " + kustomizev1.GroupVersion.String(), At: object.Locate("spec"),
		})
		return
	}
	same := func(k *Kustomization) bool { return k.Namespace == child.Namespace && k.Name == child.Name }
	if slices.ContainsFunc(w.cluster.Kustomizations, same) || slices.ContainsFunc(w.pending, same) {
		// The root, which is among its own objects, or one that two parents
		// apply: the rules name the second owner.
		return
	}
	switch {
	case child.Spec.Suspend:
		w.unknown(object, "it is suspended: Flux applies nothing of it", "spec", "suspend")
	case w.appliedElsewhere(child):
		w.unknown(object, "it is applied by another cluster's Flux", "metadata", "annotations")
	default:
		w.pending = append(w.pending, child)
	}
}

// appliedElsewhere tells whether Flux ignores an object that is applied.
func (w *walk) appliedElsewhere(k *Kustomization) bool {
	return k.Object.GetAnnotations()["kustomize.toolkit.fluxcd.io/reconcile"] == kustomizev1.DisabledValue
}

func (w *walk) unknown(object *Object, reason string, field ...any) {
	w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{Object: object, Reason: reason, At: object.Locate(field...)})
}

func (w *walk) kustomization(object *Object, parent *Kustomization) (*Kustomization, error) {
	k := &Kustomization{Object: object, Parent: parent, Namespace: object.GetNamespace(), Name: object.GetName()}
	var typed kustomizev1.Kustomization
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return k, fmt.Errorf("%s: %w", k, err)
	}
	k.Spec = typed.Spec
	return k, nil
}

// setOwner sets the labels by which Flux knows its objects again.
func setOwner(u *unstructured.Unstructured, k *Kustomization) {
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[kustomizev1.GroupVersion.Group+"/name"] = k.Name
	labels[kustomizev1.GroupVersion.Group+"/namespace"] = k.Namespace
	u.SetLabels(labels)
}

// sortObjects puts objects into the stages of kustomize-controller's apply, and
// each stage into the order of fluxcd/pkg/ssa.
func sortObjects(objects []*Object) {
	stage := func(o *Object) int {
		switch {
		case ssautil.IsClusterDefinition(o.Unstructured):
			return 0
		case ssautil.IsClassDefinition(o.Unstructured):
			return 1
		default:
			return 2
		}
	}
	sort.SliceStable(objects, func(i, j int) bool {
		if a, b := stage(objects[i]), stage(objects[j]); a != b {
			return a < b
		}
		return ssa.SortableUnstructureds(unstructuredOf([]*Object{objects[i], objects[j]})).Less(0, 1)
	})
}

func unstructuredOf(objects []*Object) []*unstructured.Unstructured {
	plain := make([]*unstructured.Unstructured, len(objects))
	for i, object := range objects {
		plain[i] = object.Unstructured
	}
	return plain
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// sourceKey is the key of what a Kustomization's sourceRef names.
func sourceKey(namespace string, ref kustomizev1.CrossNamespaceSourceReference) Key {
	group := "source.toolkit.fluxcd.io"
	if before, _, found := strings.Cut(ref.APIVersion, "/"); found {
		group = before
	}
	return Key{schema.GroupKind{Group: group, Kind: ref.Kind}, or(ref.Namespace, namespace), ref.Name}
}
