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

// Encrypted replaces each value that SOPS encrypted.
const Encrypted = kustomize.Encrypted

// Cluster is one cluster of the repository.
type Cluster struct {
	// Path is the folder of the root Kustomization. Name is its shortest end that no
	// other cluster of the repository has.
	Name, Path string
	// Kustomizations are in the order in which Flux applies them; the first is
	// the root.
	Kustomizations []*Applier
	// Releases are the HelmReleases as appliers of their charts' objects, in the order of
	// their installation. Unknown and rejected ones have no objects.
	Releases []*Applier
	// Composed is what Crossplane would compose for the composite resources among the
	// objects, after each of them; Flux does not apply it. Package compose sets it.
	Composed []*Object
	// Failures are what Flux would reject, Unknowns what cannot be known here.
	Failures []Failure
	Unknowns []Unknown
	// Emptied are the variables that the cluster's Flux replaces with nothing, and that a
	// newer Flux rejects.
	Emptied []Failure
	// Outside are the ConfigMaps that supply values and that nothing in the cluster
	// applies: they are missing, or made outside of the repository.
	Outside []Outside

	index map[Key]*Object
	flux  string // see Options.Flux
}

// Objects returns all objects of the cluster, in the order in which Flux applies them.
func (c *Cluster) Objects() []*Object {
	var all []*Object
	for _, k := range slices.Concat(c.Kustomizations, c.Releases) {
		all = append(all, k.Objects...)
	}
	return all
}

// MayHaveMore reports whether an unknown part may contain Flux's own objects, or objects
// from which they take values.
func (c *Cluster) MayHaveMore() bool {
	return slices.ContainsFunc(c.Unknowns, Unknown.MayBringFlux)
}

// Get returns the object with a key, or nil.
func (c *Cluster) Get(key Key) *Object { return c.index[key] }

// Applier applies objects: it is a Flux Kustomization or a HelmRelease.
type Applier struct {
	// Object is the Kustomization or HelmRelease itself; nil for a root that only `flux
	// bootstrap` declares.
	Object *Object
	// Parent applies Object; nil for the root.
	Parent *Applier
	// Namespace and Name identify it; Spec is its specification. For a HelmRelease, Spec
	// has the fields that both kinds have.
	Namespace, Name string
	Spec            kustomizev1.KustomizationSpec
	// Release is the HelmRelease; nil for a Kustomization.
	Release *helmv2.HelmRelease
	// Chart is the chart that a HelmRelease installs; nil if it is unknown.
	Chart *helm.Chart
	// Objects are what it applies, in Flux's order.
	Objects []*Object
	// Files are the kustomization files of the build, by their names in findings.
	Files []string

	// Build is the result of building a Kustomization's folder; nil for a HelmRelease,
	// and if the folder is unknown.
	Build *kustomize.Build

	// outside reports whether some of its variables have unknown values.
	outside bool
}

// Outside reports whether some values of its objects are made outside of the repository.
func (k *Applier) Outside() bool { return k.outside }

// String returns the applier's name in Flux's own messages.
func (k *Applier) String() string {
	return fmt.Sprintf("%s/%s/%s", k.Key().Kind, k.Namespace, k.Name)
}

// Key returns the key of the applier's own object.
func (k *Applier) Key() Key {
	if k.Release != nil {
		return Key{helmReleaseKind, k.Namespace, k.Name}
	}
	return Key{kustomizationKind, k.Namespace, k.Name}
}

// Key identifies an object in a cluster, in any version.
type Key struct {
	schema.GroupKind
	Namespace, Name string
}

// KeyOf returns the key of an object.
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
	// Bundled reports whether it is a definition in a chart's crds folder: Helm creates
	// it if it is missing, and never deletes it.
	Bundled bool
	// Composite is the composite resource for which Crossplane composes the object; nil
	// for objects that Flux applies.
	Composite *Object
	// Template is the object before variables were substituted.
	template map[string]any
	// at is the place of an object from a chart.
	at Location
}

// Key returns the object's key.
func (o *Object) Key() Key { return KeyOf(o.Unstructured) }

// Cause says why a Kustomization cannot be rendered.
type Cause string

// The causes. For each of them Flux itself would stop or do the wrong thing.
const (
	SourceMissing    Cause = "source missing"    // sourceRef refers to nothing
	PathMissing      Cause = "path missing"      // the path is not in the source
	PathEmpty        Cause = "path empty"        // the path has no manifest
	BuildFailed      Cause = "build failed"      // kustomize rejects it
	VariableMissing  Cause = "variable missing"  // a variable has neither value nor default
	VariablesMissing Cause = "variables missing" // substituteFrom or valuesFrom refers to nothing
	InvalidSpec      Cause = "invalid spec"      // the Kustomization is malformed
	Duplicate        Cause = "duplicate"         // a second Kustomization with the name

	// CompositionFailed means that the function rejects a composite resource:
	// Crossplane's reason, not Flux's.
	CompositionFailed Cause = "composition failed"
)

// Failure says why Flux would not apply a Kustomization, or a part of it.
type Failure struct {
	Cause   Cause
	Applier *Applier
	// Message says what is wrong, Fix how to correct it.
	Message, Fix string
	At           Location
	// Subject is the variable, path or reference that the failure is about.
	Subject string
}

// Unknown is something that Flux would apply, but that cannot be rendered here.
type Unknown struct {
	// Key is the key of the Flux object, or composite resource, whose result is unknown.
	// Object is the object itself; nil for a root that nothing in the repository declares.
	Key    Key
	Object *Object
	Reason string
	At     Location
	// Hides says what may exist beyond the rendered objects.
	Hides Hides
	// Entry is the address in a kustomization that causes it; empty for other causes.
	Entry string
}

// MayBringFlux reports whether the unknown part may contain Flux's own objects, or
// objects from which they take values: it is a Kustomization, a ResourceSet, or whatever
// declares the root. Few charts contain such objects.
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

// Hides says what an unknown part hides.
type Hides int

// What may be hidden: objects that Flux applies; objects that Crossplane composes for
// Object; only the values of variables, while all objects are known; or what Flux's
// objects refer to, such as values, sources, dependencies and namespaces.
const (
	HidesObjects Hides = iota
	HidesComposed
	HidesValues
	HidesSurroundings
)

// Outside is a ConfigMap from which a Kustomization or a HelmRelease takes values, and
// which nothing in the cluster applies.
type Outside struct {
	By  *Applier
	Key Key
	At  Location
}

// Installs returns the GitHub project and the version in the address; empty where the
// address does not name them.
func (u Unknown) Installs() (name, version string) { return kustomize.Installs(u.Entry) }
