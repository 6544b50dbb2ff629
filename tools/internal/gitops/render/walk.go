package render

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
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

var (
	kustomizationKind = schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}
	helmReleaseKind   = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}
	instanceKind      = schema.GroupKind{Group: "fluxcd.controlplane.io", Kind: "FluxInstance"}
	resourceSetKind   = schema.GroupKind{Group: "fluxcd.controlplane.io", Kind: "ResourceSet"}
)

// walk renders one cluster from its root Kustomization on.
type walk struct {
	sources *sources
	cluster *Cluster
	lenient bool
	root    *Applier
	// synced is the source that a FluxInstance makes of this repository.
	synced  Key
	pending []*Applier
	// releases are the HelmReleases to install.
	releases []*Applier
	kinds    kinds

	known     map[Key]bool // applied or pending
	applied   map[Key]*Applier
	children  map[Key][]Key   // the Kustomizations that one applies
	skipped   map[Key]bool    // known, but Flux does not render it
	generated map[Key]*Object // the ArtifactGenerator of an ExternalArtifact
	// outside are the ConfigMaps that were missing on the way.
	outside []Outside
}

func newWalk(sources *sources, folder string, lenient bool) *walk {
	return &walk{
		sources:   sources,
		cluster:   &Cluster{Name: path.Base(folder), Path: folder, index: map[Key]*Object{}},
		lenient:   lenient,
		known:     map[Key]bool{},
		applied:   map[Key]*Applier{},
		children:  map[Key][]Key{},
		skipped:   map[Key]bool{},
		generated: map[Key]*Object{},
	}
}

func (w *walk) run(ctx context.Context) error {
	if err := w.renderRoot(ctx); err != nil {
		return err
	}
	for len(w.pending)+len(w.releases) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	w.settle()
	return nil
}

// lack is what a Kustomization that goes on may lack, the more the higher.
type lack int

const (
	nothing      lack = iota
	secrets           // to substitute from: they may be made outside of the repository
	dependencies      // that nothing has applied so far: what is unknown may
	configMaps        // to substitute from
)

// next goes on with the first Kustomization whose dependencies are applied and
// whose variables are known, else with such a HelmRelease, else with the
// Kustomization that lacks least. When none is ready the first one goes: what it
// lacks is then a failure with a name.
func (w *walk) next(ctx context.Context) error {
	ready, installable := w.firstReady(nothing), -1
	if ready < 0 {
		installable = slices.IndexFunc(w.releases, w.installable)
	}
	for lacking := secrets; ready < 0 && installable < 0 && lacking <= configMaps; lacking++ {
		ready = w.firstReady(lacking)
	}
	if installable < 0 && len(w.pending) > 0 {
		return w.apply(ctx, take(&w.pending, max(0, ready)))
	}
	return w.install(ctx, take(&w.releases, max(0, installable)))
}

func (w *walk) firstReady(lacking lack) int {
	return slices.IndexFunc(w.pending, func(k *Applier) bool { return w.ready(k, lacking) })
}

func take(queue *[]*Applier, i int) *Applier {
	k := (*queue)[i]
	*queue = slices.Delete(*queue, i, i+1)
	return k
}

func (w *walk) ready(k *Applier, lacking lack) bool {
	for _, dependency := range k.Spec.DependsOn {
		key := Key{kustomizationKind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name}
		if !w.settled(key, nil) && (lacking < dependencies || w.known[key]) {
			return false
		}
	}
	if k.Spec.PostBuild != nil {
		for _, reference := range k.Spec.PostBuild.SubstituteFrom {
			needed := !reference.Optional && (lacking < secrets || reference.Kind != "Secret" && lacking < configMaps)
			if needed && w.cluster.index[variablesKey(k, reference)] == nil {
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
	k := w.applied[key]
	if k == nil {
		return w.skipped[key]
	}
	if !k.Spec.Wait {
		return true
	}
	for _, child := range w.children[key] {
		if !w.settled(child, append(waiting, key)) {
			return false
		}
	}
	return true
}

func variablesKey(k *Applier, reference kustomizev1.SubstituteReference) Key {
	return Key{schema.GroupKind{Kind: reference.Kind}, k.Namespace, reference.Name}
}

// apply renders a Kustomization and does with the objects what their apply
// would do: they can be found from then on, and Kustomizations among them start.
func (w *walk) apply(ctx context.Context, k *Applier) error {
	w.cluster.Kustomizations = append(w.cluster.Kustomizations, k)
	w.known[k.Key()], w.applied[k.Key()] = true, k
	objects, failures, err := w.sources.render(ctx, w, k)
	if err != nil {
		return err
	}
	w.cluster.Failures = append(w.cluster.Failures, failures...)
	for _, object := range objects {
		setMetadata(object.Unstructured, k)
	}
	w.add(objects, k)
	return nil
}

// add makes objects known as applied, and starts the Kustomizations and
// HelmReleases among them. What goes to another API server is not there for this
// one's Flux.
func (w *walk) add(objects []*Object, k *Applier) {
	sortObjects(objects)
	k.Objects = objects
	elsewhere := k.Spec.KubeConfig != nil
	for _, object := range objects {
		if !elsewhere {
			w.cluster.index[object.Key()] = object
		}
		if object.GetKind() == "CustomResourceDefinition" {
			w.kinds.declared = append(w.kinds.declared, object.Unstructured)
		}
	}
	for _, object := range objects {
		switch kind := object.GroupVersionKind().GroupKind(); {
		case elsewhere && (kind == kustomizationKind || kind == helmReleaseKind):
			w.unknown(object, fmt.Sprintf("%s sends it to another API server: the Flux there applies it", k))
		case elsewhere:
		case kind == kustomizationKind:
			w.enqueue(object, k)
		case kind == generatorKind:
			w.generates(object)
		case kind == helmReleaseKind:
			w.enqueueRelease(object, k)
		case kind == instanceKind:
			if source, found := w.syncs(object); found {
				w.synced = source
			}
		case kind == resourceSetKind:
			w.unknown(object, "flux-operator makes its objects, which is not done here", "spec")
		}
	}
}

// generates notes which artifacts an ArtifactGenerator makes.
func (w *walk) generates(object *Object) {
	var generator artifactGenerator
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &generator); err != nil {
		return
	}
	for _, a := range generator.Spec.Artifacts {
		w.generated[Key{externalArtifactKind, object.GetNamespace(), a.Name}] = object
	}
}

func (w *walk) enqueue(object *Object, parent *Applier) {
	key := object.Key()
	w.children[parent.Key()] = append(w.children[parent.Key()], key)
	if w.known[key] {
		// The root, which is among its own objects, or one that two parents
		// apply: the rules name the second owner.
		return
	}
	child, err := newKustomization(object, parent)
	if err != nil {
		w.cluster.Failures = append(w.cluster.Failures, Failure{
			Cause: InvalidSpec, Applier: child, Message: err.Error(),
			Fix: "compare it with the specification of " + kustomizev1.GroupVersion.String(), At: object.Locate("spec"),
		})
		return
	}
	switch {
	case child.Spec.Suspend:
		w.skip(object, "it is suspended: Flux applies nothing of it", "spec", "suspend")
	case object.GetAnnotations()[reconcileKey] == kustomizev1.DisabledValue:
		w.skip(object, "it is marked not to be reconciled: Flux does not apply it", "metadata", "annotations", reconcileKey)
	default:
		w.known[key] = true
		w.pending = append(w.pending, child)
	}
}

var reconcileKey = kustomizev1.GroupVersion.Group + "/reconcile"

func (w *walk) skip(object *Object, reason string, field ...any) {
	w.skipped[object.Key()] = true
	w.unknown(object, reason, field...)
}

func (w *walk) unknown(object *Object, reason string, field ...any) {
	w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{Key: object.Key(), Object: object, Reason: reason, At: object.Locate(field...)})
}

func newKustomization(object *Object, parent *Applier) (*Applier, error) {
	k := &Applier{Object: object, Parent: parent, Namespace: object.GetNamespace(), Name: object.GetName()}
	var typed kustomizev1.Kustomization
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return k, fmt.Errorf("%s: %w", k, err)
	}
	k.Spec = typed.Spec
	return k, nil
}

// setMetadata sets the common metadata and the labels by which Flux knows its
// objects again. A label that is no string stays, for the rules to name.
func setMetadata(u *unstructured.Unstructured, k *Applier) {
	owner := map[string]string{
		kustomizev1.GroupVersion.Group + "/name":      k.Name,
		kustomizev1.GroupVersion.Group + "/namespace": k.Namespace,
	}
	if common := k.Spec.CommonMetadata; common != nil {
		setStrings(u, "labels", common.Labels)
		setStrings(u, "annotations", common.Annotations)
	}
	setStrings(u, "labels", owner)
}

func setStrings(u *unstructured.Unstructured, field string, values map[string]string) {
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok || len(values) == 0 {
		return
	}
	pairs, ok := metadata[field].(map[string]any)
	switch {
	case metadata[field] == nil:
		pairs = map[string]any{}
	case !ok:
		return
	}
	for key, value := range values {
		pairs[key] = value
	}
	metadata[field] = pairs
}

// sortObjects puts objects into the stages of kustomize-controller's apply, and
// each stage into the order of fluxcd/pkg/ssa: by kind, namespace and name.
func sortObjects(objects []*Object) {
	type place struct{ stage, kind int }
	var kinds []schema.GroupKind
	for _, object := range objects {
		if kind := object.Key().GroupKind; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupKind) int {
		switch {
		case ssa.IsLessThan(a, b):
			return -1
		case ssa.IsLessThan(b, a):
			return 1
		default:
			return 0
		}
	})
	places := make(map[*Object]place, len(objects))
	for _, object := range objects {
		places[object] = place{stage(object), slices.Index(kinds, object.Key().GroupKind)}
	}
	slices.SortStableFunc(objects, func(a, b *Object) int {
		return cmp.Or(
			cmp.Compare(places[a].stage, places[b].stage),
			cmp.Compare(places[a].kind, places[b].kind),
			cmp.Compare(a.GetNamespace(), b.GetNamespace()),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
}

func stage(o *Object) int {
	switch {
	case ssautil.IsClusterDefinition(o.Unstructured):
		return 0
	case ssautil.IsClassDefinition(o.Unstructured):
		return 1
	default:
		return 2
	}
}

// sourceKey is the key of what a Kustomization's sourceRef names.
func sourceKey(namespace string, ref kustomizev1.CrossNamespaceSourceReference) Key {
	group := "source.toolkit.fluxcd.io"
	if before, _, found := strings.Cut(ref.APIVersion, "/"); found {
		group = before
	}
	return Key{schema.GroupKind{Group: group, Kind: ref.Kind}, cmp.Or(ref.Namespace, namespace), ref.Name}
}
