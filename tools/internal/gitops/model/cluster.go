// Package model relates the objects of a rendered cluster to each other: which
// object a reference names, which pods a workload runs, and what Flux applies
// before what. The rules of validate walk it.
//
// The package judges nothing and reads no files.
package model

import (
	"slices"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// Cluster is a rendered cluster whose objects can be found by what they are.
type Cluster struct {
	*render.Cluster
	// Catalog holds the schemas of the kinds, those that the cluster declares
	// included.
	Catalog *catalog.Catalog
	objects []*render.Object
	// workloads are those among the objects.
	workloads func() []Workload
	kinds     map[schema.GroupKind][]*render.Object
	keys      map[Place][]*render.Object
	owners    map[render.Key]*render.Applier
	read      func(*render.Object) // see Watch; nil for nobody
}

// Place is a key within one target: a Kustomization with a kubeConfig applies
// its objects to another API server, where the same key is another object.
type Place struct {
	Target string
	Key    render.Key
}

// PlaceOf is where an object is, or would be.
func PlaceOf(o *render.Object) Place { return Place{Target(o), o.Key()} }

// KustomizationKind is the kind of Flux's Kustomization.
var KustomizationKind = schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}

// New relates the objects of a cluster. The catalog holds the schemas of the kinds
// that the cluster does not declare itself. Objects of a kind that lives in no
// namespace lose theirs, as the API server takes it away: kustomize's namespace and
// Flux's targetNamespace set one wherever they do not know the kind.
func New(c *render.Cluster, kinds *catalog.Catalog) *Cluster {
	objects := c.Objects()
	declared := make([]*unstructured.Unstructured, 0, len(objects))
	for _, o := range objects {
		declared = append(declared, o.Unstructured)
	}
	kinds = kinds.With(declared)
	for _, o := range slices.Concat(objects, c.Composed) {
		if kind, known := kinds.Lookup(o.GroupVersionKind()); known && o.GetNamespace() != "" && !kind.Namespaced() {
			o.SetNamespace("")
		}
	}
	g := &Cluster{
		Cluster: c,
		Catalog: kinds,
		objects: objects,
		kinds:   map[schema.GroupKind][]*render.Object{},
		keys:    map[Place][]*render.Object{},
		owners:  map[render.Key]*render.Applier{},
	}
	for _, o := range slices.Concat(g.objects, c.Composed) {
		kind := o.GroupVersionKind().GroupKind()
		g.kinds[kind] = append(g.kinds[kind], o)
		at := PlaceOf(o)
		g.keys[at] = append(g.keys[at], o)
	}
	for _, k := range slices.Concat(c.Kustomizations, c.Releases) {
		g.owners[k.Key()] = k
	}
	g.workloads = sync.OnceValue(func() []Workload { return workloadsOf(g.objects) })
	return g
}

// Target names the API server that an object is applied to: empty for the
// cluster's own, else the kubeConfig reference of the Kustomization.
func Target(o *render.Object) string {
	config := o.Owner.Spec.KubeConfig
	switch {
	case config == nil:
		return ""
	case config.ConfigMapRef != nil:
		return "ConfigMap/" + o.Owner.Namespace + "/" + config.ConfigMapRef.Name
	case config.SecretRef != nil:
		return "Secret/" + o.Owner.Namespace + "/" + config.SecretRef.Name
	default:
		return ""
	}
}

// Watch is the same cluster for one reader: read is called with each object
// that the methods of the result return, as often as they do.
func (c *Cluster) Watch(read func(*render.Object)) *Cluster {
	watched := *c
	watched.read = read
	return &watched
}

func (c *Cluster) reading(objects ...*render.Object) {
	if c.read == nil {
		return
	}
	for _, o := range objects {
		if o != nil {
			c.read(o)
		}
	}
}

// All are the objects in the order in which Flux applies them, without what
// Crossplane composes of them: that is Composed.
func (c *Cluster) All() []*render.Object {
	c.reading(c.objects...)
	return c.objects
}

// Composed are the objects that Crossplane composes.
func (c *Cluster) Composed() []*render.Object {
	c.reading(c.Cluster.Composed...)
	return c.Cluster.Composed
}

// Of lists the objects of a kind, whatever their version, composed ones included.
func (c *Cluster) Of(group, kind string) []*render.Object {
	found := c.kinds[schema.GroupKind{Group: group, Kind: kind}]
	c.reading(found...)
	return found
}

// Find is the object that a reference in another object names: on the same API
// server, of a group and kind, in a namespace (empty for cluster-scoped kinds).
// It is nil if there is none.
func (c *Cluster) Find(from *render.Object, group, kind, namespace, name string) *render.Object {
	found := c.Same(from, render.Key{GroupKind: schema.GroupKind{Group: group, Kind: kind}, Namespace: namespace, Name: name})
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// Same lists the objects with a key on the API server of another object; more
// than one means that Kustomizations fight over it.
func (c *Cluster) Same(from *render.Object, key render.Key) []*render.Object {
	found := c.keys[Place{Target(from), key}]
	c.reading(found...)
	return found
}

// Applier is the rendered Kustomization or HelmRelease with a key, or nil.
func (c *Cluster) Applier(key render.Key) *render.Applier {
	k := c.owners[key]
	if k != nil {
		c.reading(k.Object)
	}
	return k
}

// Kustomizations are those that are rendered, in the order in which Flux
// applies them; the first is the root.
func (c *Cluster) Kustomizations() []*render.Applier {
	for _, k := range c.Cluster.Kustomizations {
		c.reading(k.Object)
	}
	return c.Cluster.Kustomizations
}

// Releases are the HelmReleases, as Kustomizations are.
func (c *Cluster) Releases() []*render.Applier {
	for _, k := range c.Cluster.Releases {
		c.reading(k.Object)
	}
	return c.Cluster.Releases
}

// Failures are what Flux would refuse for one of the causes: every
// Kustomization was looked at for them.
func (c *Cluster) Failures(causes ...render.Cause) []render.Failure {
	c.Kustomizations()
	var found []render.Failure
	for _, failure := range c.Cluster.Failures {
		if slices.Contains(causes, failure.Cause) {
			found = append(found, failure)
		}
	}
	return found
}

// Precedes tells whether Flux has applied everything of one Kustomization, and
// waited for it where asked to, before it starts with another.
func (c *Cluster) Precedes(first, then *render.Applier) bool {
	return c.precedes(first, then, nil)
}

func (c *Cluster) precedes(first, then *render.Applier, seen []*render.Applier) bool {
	// A Kustomization starts when its parent applies it, and so after whatever
	// the parent depends on.
	for k := then; k != nil; k = k.Parent {
		if slices.Contains(seen, k) {
			return false
		}
		seen = append(seen, k)
		for _, dependency := range c.Dependencies(k) {
			if c.covers(dependency, first) || c.precedes(first, dependency, seen) {
				return true
			}
		}
	}
	return false
}

// Dependencies are the Kustomizations that one depends on, or the HelmReleases
// that a HelmRelease does: those that are rendered.
func (c *Cluster) Dependencies(k *render.Applier) []*render.Applier {
	var found []*render.Applier
	for _, reference := range k.Spec.DependsOn {
		namespace := reference.Namespace
		if namespace == "" {
			namespace = k.Namespace
		}
		key := render.Key{GroupKind: k.Key().GroupKind, Namespace: namespace, Name: reference.Name}
		if dependency := c.Applier(key); dependency != nil {
			found = append(found, dependency)
		}
	}
	return found
}

// covers tells whether a Kustomization that is ready means that another one is
// too: it is that one, or waits for it.
func (c *Cluster) covers(ready, k *render.Applier) bool {
	for ; k != nil; k = k.Parent {
		if k == ready {
			return true
		}
		if k.Parent != nil && !WaitsFor(k.Parent, k) {
			return false
		}
	}
	return false
}

// WaitsFor tells whether a Kustomization's readiness includes that of another
// one that it applies.
func WaitsFor(parent, child *render.Applier) bool {
	if parent.Spec.Wait {
		return true
	}
	return slices.ContainsFunc(parent.Spec.HealthChecks, func(check meta.NamespacedObjectKindReference) bool {
		return check.Kind == child.Key().Kind && check.Name == child.Name && check.Namespace == child.Namespace
	})
}

// Ancestor tells whether a Kustomization applies another one, itself or through
// others.
func Ancestor(ancestor, k *render.Applier) bool {
	for k = k.Parent; k != nil; k = k.Parent {
		if k == ancestor {
			return true
		}
	}
	return false
}

// Workload is an object that runs pods.
type Workload struct {
	*render.Object
	Template corev1.PodTemplateSpec
	// Path is the field of the template.
	Path []any
	// Replicas is spec.replicas, or nil when it is not set or not a field of
	// the kind.
	Replicas *int32
}

// Field is a field of the pod's specification as a field of the object.
func (w Workload) Field(elements ...any) []any {
	return append(append(slices.Clone(w.Path), "spec"), elements...)
}

// Workloads are the objects that run pods, of Kubernetes' own kinds; the caller
// does not change them. One whose template cannot be read is left to the schema.
func (c *Cluster) Workloads() []Workload {
	workloads := c.workloads()
	for _, w := range workloads {
		c.reading(w.Object)
	}
	return workloads
}

func workloadsOf(objects []*render.Object) []Workload {
	var workloads []Workload
	for _, o := range objects {
		if workload, ok := WorkloadOf(o); ok {
			workloads = append(workloads, workload)
		}
	}
	return workloads
}

// templates are the fields of pod templates by kind.
var templates = map[schema.GroupKind][]any{
	{Group: "apps", Kind: "Deployment"}:   {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}:  {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:    {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:   {"spec", "template"},
	{Group: "batch", Kind: "Job"}:         {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:     {"spec", "jobTemplate", "spec", "template"},
	{Group: "keda.sh", Kind: "ScaledJob"}: {"spec", "jobTargetRef", "template"},
	{Kind: "Pod"}:                         {},
}

// WorkloadOf reads an object as a workload.
func WorkloadOf(o *render.Object) (Workload, bool) {
	path, found := templates[o.GroupVersionKind().GroupKind()]
	if !found {
		return Workload{}, false
	}
	content := o.Object
	for _, element := range path {
		if content, found = content[element.(string)].(map[string]any); !found {
			return Workload{}, false
		}
	}
	w := Workload{Object: o, Path: path}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &w.Template); err != nil {
		return Workload{}, false
	}
	setDefaults(&w.Template.Spec)
	var scaled appsv1.Deployment
	if spec, ok := o.Object["spec"].(map[string]any); ok && spec["replicas"] != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"spec": map[string]any{"replicas": spec["replicas"]}}, &scaled); err == nil {
			w.Replicas = scaled.Spec.Replicas
		}
	}
	return w, true
}

// setDefaults sets what the API server sets and rules judge: a volume that does
// not say what it is is an empty directory.
func setDefaults(pod *corev1.PodSpec) {
	for i, volume := range pod.Volumes {
		if volume.VolumeSource == (corev1.VolumeSource{}) {
			pod.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
}
