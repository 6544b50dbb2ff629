package render

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/clusters"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/helm"
)

// rootName is the name that `flux bootstrap` gives to the root Kustomization, its source
// and their namespace.
const rootName = "flux-system"

var (
	kustomizationKind = schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}
	helmReleaseKind   = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}
	instanceKind      = schema.GroupKind{Group: "fluxcd.controlplane.io", Kind: "FluxInstance"}
	resourceSetKind   = schema.GroupKind{Group: "fluxcd.controlplane.io", Kind: "ResourceSet"}
)

// walk renders one cluster, starting at its root Kustomization.
type walk struct {
	*shared
	cluster *Cluster
	lenient bool
	root    *Applier
	// synced is the source that a FluxInstance makes for this repository.
	synced Key
	// strange reports that neither the repository nor `flux bootstrap` declares the root.
	strange bool
	pending []*Applier
	// begun are the pending Kustomizations that are being built.
	begun map[*Applier]bool
	// releases are the HelmReleases that wait to be installed.
	releases []*Applier
	kinds    kinds

	known     map[Key]bool // applied or pending
	applied   map[Key]*Applier
	children  map[Key][]Key   // the Kustomizations that one applies
	skipped   map[Key]bool    // known Kustomizations that Flux does not render
	generated map[Key]*Object // by ExternalArtifact, its ArtifactGenerator
	// outside are the ConfigMaps that were missing when they were needed.
	outside []Outside
}

func newWalk(shared *shared, of clusters.Cluster, lenient bool) *walk {
	return &walk{
		shared:    shared,
		cluster:   &Cluster{Name: of.Name, Path: of.Path, index: map[Key]*Object{}, flux: shared.flux},
		lenient:   lenient,
		begun:     map[*Applier]bool{},
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
		w.buildAhead(ctx)
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	w.settle()
	return nil
}

// missing says which inputs a Kustomization may be rendered without; a higher value
// tolerates more.
type missing int

const (
	nothing      missing = iota
	secrets              // from which it substitutes: they may be made outside of the repository
	dependencies         // that nothing has applied yet: an unknown part may
	configMaps           // from which it substitutes
)

// next renders the first Kustomization whose dependencies are applied and whose variables
// are known, or else such a HelmRelease, or else the Kustomization with the fewest
// missing inputs. In the last case, what is missing becomes a failure.
func (w *walk) next(ctx context.Context) error {
	ready, installable := w.firstReady(nothing), -1
	if ready < 0 {
		installable = slices.IndexFunc(w.releases, w.installable)
	}
	for without := secrets; ready < 0 && installable < 0 && without <= configMaps; without++ {
		ready = w.firstReady(without)
	}
	if installable < 0 && len(w.pending) > 0 {
		return w.apply(ctx, take(&w.pending, max(0, ready)))
	}
	return w.install(ctx, take(&w.releases, max(0, installable)))
}

func (w *walk) firstReady(without missing) int {
	return slices.IndexFunc(w.pending, func(k *Applier) bool { return w.ready(k, without) })
}

func take(queue *[]*Applier, i int) *Applier {
	k := (*queue)[i]
	*queue = slices.Delete(*queue, i, i+1)
	return k
}

func (w *walk) ready(k *Applier, without missing) bool {
	for _, dependency := range k.Spec.DependsOn {
		key := Key{kustomizationKind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name}
		if !w.settled(key, nil) && (without < dependencies || w.known[key]) {
			return false
		}
	}
	if k.Spec.PostBuild != nil {
		for _, reference := range k.Spec.PostBuild.SubstituteFrom {
			needed := !reference.Optional && (without < secrets || reference.Kind != "Secret" && without < configMaps)
			if needed && w.cluster.index[variablesKey(k, reference)] == nil {
				return false
			}
		}
	}
	return w.hasSource(sourceKey(k.Namespace, k.Spec.SourceRef))
}

// settled reports whether a Kustomization is applied. If it waits for its objects, the
// Kustomizations among them must be settled, too.
func (w *walk) settled(key Key, waiting []Key) bool {
	if slices.Contains(waiting, key) {
		return true // a Kustomization that waits for itself: a rule reports it
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

// apply renders a Kustomization and handles the objects as if they were applied: they can
// be found from then on, and Kustomizations among them start.
func (w *walk) apply(ctx context.Context, k *Applier) error {
	w.cluster.Kustomizations = append(w.cluster.Kustomizations, k)
	w.known[k.Key()], w.applied[k.Key()] = true, k
	result, err := w.render(ctx, k)
	if err != nil {
		return err
	}
	for _, object := range result.objects {
		setMetadata(object.Unstructured, k)
	}
	w.take(result, k)
	return nil
}

// take adds an applier's outcome to the cluster.
func (w *walk) take(result outcome, k *Applier) {
	w.cluster.Failures = append(w.cluster.Failures, result.failures...)
	w.cluster.Unknowns = append(w.cluster.Unknowns, result.unknowns...)
	w.cluster.Emptied = append(w.cluster.Emptied, result.emptied...)
	w.outside = append(w.outside, result.outside...)
	w.add(result.objects, k)
}

// add marks objects as applied, and starts the Kustomizations and HelmReleases among
// them. Objects for another API server are not visible to this cluster's Flux.
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
		w.noteOpenName(object)
		if source, found := w.syncs(object); found && !elsewhere {
			w.synced, w.strange = source, false
		}
		switch kind := object.GroupVersionKind().GroupKind(); {
		case elsewhere && (kind == kustomizationKind || kind == helmReleaseKind):
			w.note(object, fmt.Sprintf("%s sends it to another API server: the Flux there applies it", k))
		case elsewhere:
		case kind == kustomizationKind:
			w.enqueue(object, k)
		case kind == generatorKind:
			w.generates(object)
		case kind == helmReleaseKind:
			w.enqueueRelease(object, k)
		case kind == resourceSetKind:
			w.note(object, "flux-operator makes its objects, which is not done here", "spec")
		}
	}
}

// generates records the artifacts that an ArtifactGenerator makes.
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
		// It is the root, which is among its own objects, or a Kustomization that two
		// parents apply. For the latter a rule reports the second owner.
		return
	}
	if w.skipOpen(object) {
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
	w.note(object, reason, field...)
}

// note records an unknown part of the cluster for an object.
func (w *walk) note(object *Object, reason string, field ...any) {
	w.cluster.Unknowns = append(w.cluster.Unknowns, unknown(object, reason, field...))
}

func unknown(object *Object, reason string, field ...any) Unknown {
	return Unknown{Key: object.Key(), Object: object, Reason: reason, At: object.Locate(field...)}
}

func newKustomization(object *Object, parent *Applier) (*Applier, error) {
	k := &Applier{Object: object, Parent: parent, Namespace: object.GetNamespace(), Name: object.GetName()}
	// Both become labels of its objects.
	k.outside = object.Open("metadata", "name") || object.Open("metadata", "namespace")
	var typed kustomizev1.Kustomization
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return k, fmt.Errorf("%s: %w", k, err)
	}
	k.Spec = typed.Spec
	return k, nil
}

// setMetadata sets the common metadata, and the labels by which Flux recognizes its
// objects. A label that is not a string is not changed, so that rules can report it.
func setMetadata(u *unstructured.Unstructured, k *Applier) {
	owner := map[string]string{
		kustomizev1.GroupVersion.Group + "/name":      k.Name,
		kustomizev1.GroupVersion.Group + "/namespace": k.Namespace,
	}
	if common := k.Spec.CommonMetadata; common != nil {
		helm.SetStrings(u, "labels", common.Labels)
		helm.SetStrings(u, "annotations", common.Annotations)
	}
	helm.SetStrings(u, "labels", owner)
}

// sourceKey returns the key of the source that a Kustomization's sourceRef names.
func sourceKey(namespace string, ref kustomizev1.CrossNamespaceSourceReference) Key {
	group := "source.toolkit.fluxcd.io"
	if before, _, found := strings.Cut(ref.APIVersion, "/"); found {
		group = before
	}
	return Key{schema.GroupKind{Group: group, Kind: ref.Kind}, cmp.Or(ref.Namespace, namespace), ref.Name}
}
