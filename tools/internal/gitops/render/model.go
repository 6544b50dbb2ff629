package render

import (
	"fmt"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/helm"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Location is a place in a file.
type Location = origin.Location

// Encrypted stands for each value that SOPS encrypted.
const Encrypted = kustomize.Encrypted

// Cluster is one cluster of the repository.
type Cluster struct {
	// Path is the folder of the root Kustomization, Name the end of it that no other
	// cluster of the repository has.
	Name, Path string
	// Kustomizations are in the order in which Flux applies them; the first is
	// the root.
	Kustomizations []*Applier
	// Releases are the HelmReleases, as what applies the objects of their charts,
	// in the order in which they are installed; those that are unknown or refused
	// have no objects.
	Releases []*Applier
	// Composed is what Crossplane would compose of the composite resources among
	// the objects, each after the resource that it is of; Flux does not apply it.
	// Package compose fills it.
	Composed []*Object
	// Failures are what Flux would refuse, Unknowns what cannot be known here.
	Failures []Failure
	Unknowns []Unknown
	// Emptied are the variables that the cluster's Flux replaces by nothing and
	// that a later one refuses.
	Emptied []Failure
	// Outside are the ConfigMaps with values that nothing in the cluster applies:
	// they are missing, or made outside of the repository.
	Outside []Outside

	index map[Key]*Object
	flux  string // see Options.Flux
}

// Objects are all objects of the cluster, in the order in which Flux applies
// them.
func (c *Cluster) Objects() []*Object {
	var all []*Object
	for _, k := range slices.Concat(c.Kustomizations, c.Releases) {
		all = append(all, k.Objects...)
	}
	return all
}

// MayHaveMore reports whether Flux's own objects, or what they take values from,
// may come from what is not rendered.
func (c *Cluster) MayHaveMore() bool {
	return slices.ContainsFunc(c.Unknowns, Unknown.MayBringFlux)
}

// Get is the object with a key, or nil.
func (c *Cluster) Get(key Key) *Object { return c.index[key] }

// Applier is what applies objects: a Flux Kustomization or a HelmRelease.
type Applier struct {
	// Object is the Kustomization, or HelmRelease, itself; nil for a root that only
	// `flux bootstrap` declares.
	Object *Object
	// Parent applies Object; nil for the root.
	Parent *Applier
	// Namespace and Name identify it, Spec is its specification. That of a
	// HelmRelease holds what the two kinds have in common.
	Namespace, Name string
	Spec            kustomizev1.KustomizationSpec
	// Release is the HelmRelease; nil for a Kustomization.
	Release *helmv2.HelmRelease
	// Chart is what a HelmRelease installs; nil where that is unknown.
	Chart *helm.Chart
	// Objects are what it applies, in Flux's order.
	Objects []*Object
	// Files are the kustomization files that the build reads, as findings call
	// them.
	Files []string

	// Build is what kustomize makes of a Kustomization's folder; nil for a
	// HelmRelease, and where the folder is unknown.
	Build *kustomize.Build

	// outside is whether some of its variables have values that are unknown.
	outside bool
}

// Outside reports whether values of what it applies are made outside of the repository.
func (k *Applier) Outside() bool { return k.outside }

// String is the applier as Flux's own messages name it.
func (k *Applier) String() string {
	return fmt.Sprintf("%s/%s/%s", k.Key().Kind, k.Namespace, k.Name)
}

// Key is that of the applier's own object.
func (k *Applier) Key() Key {
	if k.Release != nil {
		return Key{helmReleaseKind, k.Namespace, k.Name}
	}
	return Key{kustomizationKind, k.Namespace, k.Name}
}

// Key identifies an object within a cluster, whatever its version.
type Key struct {
	schema.GroupKind
	Namespace, Name string
}

// KeyOf is the key of an object.
func KeyOf(u *unstructured.Unstructured) Key {
	return Key{u.GroupVersionKind().GroupKind(), u.GetNamespace(), u.GetName()}
}

func (k Key) String() string {
	kind := k.Kind
	if k.Group != "" {
		kind += "." + k.Group
	}
	if k.Namespace != "" {
		kind += "/" + k.Namespace
	}
	return kind + "/" + k.Name
}

// Object is an object as Flux would apply it.
type Object struct {
	*unstructured.Unstructured
	// Owner applies it.
	Owner *Applier
	// Bundled is whether it is a definition in a chart's crds folder: Helm
	// creates it where it is missing, and never deletes it.
	Bundled bool
	// Composite is the composite resource of which Crossplane composes the
	// object; nil for what Flux applies.
	Composite *Object
	// Template is the object before variables were substituted.
	template map[string]any
	// at is the place of an object of a chart.
	at Location
}

// Key identifies the object.
func (o *Object) Key() Key { return KeyOf(o.Unstructured) }

// Cause says why a Kustomization cannot be rendered as it stands.
type Cause string

// The causes. Each is a reason for which Flux itself would stop or go astray.
const (
	SourceMissing    Cause = "source missing"    // sourceRef names nothing
	PathMissing      Cause = "path missing"      // the path is not in the source
	PathEmpty        Cause = "path empty"        // the path holds no manifest
	BuildFailed      Cause = "build failed"      // kustomize refuses it
	VariableMissing  Cause = "variable missing"  // a variable has neither value nor default
	VariablesMissing Cause = "variables missing" // substituteFrom or valuesFrom names nothing
	InvalidSpec      Cause = "invalid spec"      // the Kustomization is malformed
	Duplicate        Cause = "duplicate"         // a second Kustomization of that name

	// CompositionFailed is a composite resource that its function refuses:
	// Crossplane's reason, not Flux's.
	CompositionFailed Cause = "composition failed"
)

// Failure is why Flux would not apply a Kustomization, or part of it.
type Failure struct {
	Cause   Cause
	Applier *Applier
	// Message says what is wrong, Fix what to do about it.
	Message, Fix string
	At           Location
	// Subject is what the cause is about: a variable, a path, a reference.
	Subject string
}

// Unknown is something that Flux would apply and that cannot be rendered here.
type Unknown struct {
	// Key is that of the Flux object, or the composite resource, whose result is
	// unknown. Object is the object; nil for a root that nothing in the repository
	// declares.
	Key    Key
	Object *Object
	Reason string
	At     Location
	// Hides is what there may be more of than is rendered.
	Hides Hides
	// Entry is the address in a kustomization that makes it unknown; empty for
	// another reason.
	Entry string
}

// MayBringFlux reports whether Flux's own objects, or what they take values from, may
// come from what is unknown: a Kustomization, a ResourceSet, or what declares the root.
// Charts hold few of them.
func (u Unknown) MayBringFlux() bool {
	switch {
	case u.Hides == HidesSurroundings:
		return true
	case u.Hides != HidesObjects:
		return false
	case u.Object == nil:
		return true
	}
	kind := u.Object.GroupVersionKind().GroupKind()
	_, otherCluster, _ := unstructured.NestedFieldNoCopy(u.Object.Object, "spec", "kubeConfig")
	return kind == resourceSetKind || kind == kustomizationKind && !otherCluster
}

// Hides says what something unknown hides.
type Hides int

// What may be hidden: objects that Flux applies; those that Crossplane composes of
// Object; no more than the values of variables, for all objects are there; what Flux's
// objects name, which are values, sources, dependencies and namespaces.
const (
	HidesObjects Hides = iota
	HidesComposed
	HidesValues
	HidesSurroundings
)

// Outside is a ConfigMap of which a Kustomization or a HelmRelease takes values,
// and which nothing in the cluster applies.
type Outside struct {
	By  *Applier
	Key Key
	At  Location
}

// Installs is the project on GitHub that an address is of, and the version that it
// names; empty for what it does not say.
func (u Unknown) Installs() (name, version string) { return kustomize.Installs(u.Entry) }
