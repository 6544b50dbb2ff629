// Package model relates the objects of a rendered cluster: which object a reference
// names, which pods a workload runs with which environment, what KEDA scales, which
// queues and roles are declared, in which order Flux applies objects, what it deletes,
// and what may be missing because it could not be rendered. Every command gets a model
// from Load; the rules of validate read it.
//
// The package does not judge objects, and must not know rules or this repository's
// programs.
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

// Cluster is a rendered cluster whose objects can be found by their relations.
type Cluster struct {
	*render.Cluster
	// Catalog holds the schemas of all kinds, including those that the cluster defines.
	Catalog *catalog.Catalog
	objects []*render.Object
	// workloads, scaledObjects and fluxVersion are computed at their first use.
	workloads     func() []Workload
	scaledObjects func() []ScaledObject
	fluxVersion   func() string
	kinds         map[schema.GroupKind][]*render.Object
	keys          map[Place][]*render.Object
	owners        map[render.Key]*render.Applier
	versions      *sync.Map // see installed
	// read and hidden are the callbacks of Watch, or nil.
	read   func(*render.Object)
	hidden func(by []render.Unknown, of *render.Object)
}

// Place is a key on one API server. A Kustomization with a kubeConfig applies its objects
// to another API server, where the same key means another object.
type Place struct {
	Target string
	Key    render.Key
}

// PlaceOf returns the place of an object, on which it may not exist yet.
func PlaceOf(o *render.Object) Place { return Place{Target(o), o.Key()} }

// KustomizationKind is the kind of Flux's Kustomization.
var KustomizationKind = schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}

// ReleaseKind is the kind of Flux's HelmRelease.
var ReleaseKind = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}

// New returns a model of a cluster. The catalog holds the schemas of the kinds that the
// cluster does not define itself. Objects of cluster-scoped kinds lose their namespace,
// as on an API server: kustomize's namespace and Flux's targetNamespace set one on kinds
// that they do not know.
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

// Target returns the API server to which an object is applied: empty for the cluster's
// own, or else the kubeConfig reference of the Kustomization.
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

// Watch returns the same cluster with callbacks for one reader. read is called with each
// object that the methods of the result return. hidden is called each time that unknown
// parts hide what Complete asks for, with these parts, and with the object on whose
// behalf it was asked, if any.
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

// All returns the objects in the order in which Flux applies them, without composed ones;
// see Composed.
func (c *Cluster) All() []*render.Object {
	c.reading(c.objects...)
	return c.objects
}

// Composed returns the objects that Crossplane composes.
func (c *Cluster) Composed() []*render.Object {
	c.reading(c.Cluster.Composed...)
	return c.Cluster.Composed
}

// Of returns the objects of a kind in any version, composed ones included.
func (c *Cluster) Of(group, kind string) []*render.Object {
	found := c.kinds[schema.GroupKind{Group: group, Kind: kind}]
	c.reading(found...)
	return found
}

// Find returns the object that a reference in another object names: on the same API
// server, of a group and kind, in a namespace (empty for cluster-scoped kinds). It
// returns nil if there is none.
func (c *Cluster) Find(from *render.Object, group, kind, namespace, name string) *render.Object {
	found := c.Same(from, render.Key{GroupKind: schema.GroupKind{Group: group, Kind: kind}, Namespace: namespace, Name: name})
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// Beside returns the objects of a kind in the namespace of another object, on its API
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

// NamesBeside returns the names of the objects that Beside returns, for a core kind.
func (c *Cluster) NamesBeside(o *render.Object, kind string) []string {
	var names []string
	for _, other := range c.Beside(o, "", kind) {
		names = append(names, other.GetName())
	}
	return names
}

// Same returns the objects with a key on the API server of another object. More than one
// means that Kustomizations compete for it.
func (c *Cluster) Same(from *render.Object, key render.Key) []*render.Object {
	found := c.keys[Place{Target(from), key}]
	c.reading(found...)
	return found
}

// Applier returns the rendered Kustomization or HelmRelease with a key, or nil.
func (c *Cluster) Applier(key render.Key) *render.Applier {
	k := c.owners[key]
	if k != nil {
		c.reading(k.Object)
	}
	return k
}

// Kustomizations returns the rendered Kustomizations in the order in which Flux applies
// them; the first is the root.
func (c *Cluster) Kustomizations() []*render.Applier {
	for _, k := range c.Cluster.Kustomizations {
		c.reading(k.Object)
	}
	return c.Cluster.Kustomizations
}

// Releases returns the rendered HelmReleases in the order in which Flux applies them.
func (c *Cluster) Releases() []*render.Applier {
	for _, k := range c.Cluster.Releases {
		c.reading(k.Object)
	}
	return c.Cluster.Releases
}

// Failures returns what Flux would reject for one of the causes. It counts as a look at
// every Kustomization.
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
