// Package model says what the objects of a rendered cluster mean together: which
// object a reference names, which pods a workload runs with which environment,
// what KEDA scales, which queues and roles are declared, what Flux applies before
// what and deletes when it is gone, and what may be missing because it could not be
// rendered. Load is how every command gets it; the rules of validate walk it.
//
// The package judges nothing, and knows no rule and no program of this repository.
package model

import (
	"slices"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// workloads, scaledObjects and fluxVersion are read when somebody asks.
	workloads     func() []Workload
	scaledObjects func() []ScaledObject
	fluxVersion   func() string
	kinds         map[schema.GroupKind][]*render.Object
	keys          map[Place][]*render.Object
	owners        map[render.Key]*render.Applier
	versions      *sync.Map // see installed
	// read and hidden are those of Watch; nil for nobody.
	read   func(*render.Object)
	hidden func(by []render.Unknown, of *render.Object)
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

// ReleaseKind is the kind of Flux's HelmRelease.
var ReleaseKind = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}

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

		versions: &sync.Map{},
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
	g.scaledObjects = sync.OnceValue(func() []ScaledObject { return scaledObjectsOf(g) })
	g.fluxVersion = sync.OnceValue(c.FluxVersion)
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
// that the methods of the result return, hidden each time that something unknown
// hides what Complete is asked for, with that and the object for whose sake, if any.
func (c *Cluster) Watch(read func(*render.Object), hidden func(by []render.Unknown, of *render.Object)) *Cluster {
	watched := *c
	watched.read, watched.hidden = read, hidden
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

// Beside lists the objects of a kind in the namespace of another object, on its API
// server.
func (c *Cluster) Beside(o *render.Object, group, kind string) []*render.Object {
	var found []*render.Object
	for _, other := range c.Of(group, kind) {
		if other.GetNamespace() == o.GetNamespace() && Target(other) == Target(o) {
			found = append(found, other)
		}
	}
	return found
}

// NamesBeside are the names of those of Kubernetes' core kinds.
func (c *Cluster) NamesBeside(o *render.Object, kind string) []string {
	var names []string
	for _, other := range c.Beside(o, "", kind) {
		names = append(names, other.GetName())
	}
	return names
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
