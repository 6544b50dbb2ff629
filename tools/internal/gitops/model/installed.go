package model

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// ProvidedNamespaces exist in every cluster before Flux applies anything.
var ProvidedNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease", "flux-system"}

// IsProvided reports whether a namespace exists before Flux applies anything: in every
// cluster, or in a distribution that reserves it.
func IsProvided(namespace string) bool {
	return slices.Contains(ProvidedNamespaces, namespace) || strings.HasPrefix(namespace, "openshift-") || strings.HasPrefix(namespace, "gke-")
}

// OtherVersion returns the version, or range, of an upstream project that is installed on
// an object's API server, if its minor version differs from the pinned one that this
// program knows. Otherwise it is empty.
func (c *Cluster) OtherVersion(o *render.Object, project, pinned string) string {
	return c.otherVersion(o, project, pinned, otherMinor)
}

func (c *Cluster) otherVersion(o *render.Object, project, pinned string, other func(installed, pinned string) bool) string {
	if isFluxController(project) {
		// Flux and kustomize-controller have the same minor versions.
		if flux := c.fluxVersion(); flux != "" && other(flux, pinnedFlux()) {
			return "Flux " + flux
		}
		return ""
	}
	for _, installed := range c.installed(o, project) {
		if other(installed, pinned) {
			return installed
		}
	}
	return ""
}

// Schema returns the schema that validates an object. It is nil if nobody knows the kind,
// or if the cluster has another major version of the kind's project; because says which.
func (c *Cluster) Schema(o *render.Object) (s *catalog.Schema, because string) {
	return c.SchemaBeside(o, o.GroupVersionKind())
}

// SchemaBeside returns the schema of a kind on an object's API server.
func (c *Cluster) SchemaBeside(o *render.Object, kind schema.GroupVersionKind) (s *catalog.Schema, because string) {
	found, known := c.Catalog.Lookup(kind)
	if !known {
		return nil, ""
	}
	project, pinned, _ := strings.Cut(found.Source(), " ")
	if other := c.otherVersion(o, project, pinned, otherMajor); other != "" {
		return nil, fmt.Sprintf("the cluster installs %s %s, and what is known here is %s", project, other, pinned)
	}
	return found, ""
}

// HasOtherMajor reports whether the cluster has another major version of a schema's
// project.
func (c *Cluster) HasOtherMajor(o *render.Object, source string) bool {
	project, pinned, _ := strings.Cut(source, " ")
	return c.otherVersion(o, project, pinned, otherMajor) != ""
}

// AssumesVersion reports whether a schema belongs to one of openProjects, and the cluster
// does not say which version it has. Our own clusters pin theirs.
func (c *Cluster) AssumesVersion(o *render.Object, source string) bool {
	project, _, _ := strings.Cut(source, " ")
	return slices.Contains(openProjects, project) && len(c.installed(o, project)) == 0
}

// openProjects are projects whose kinds are known only for other people's clusters.
var openProjects = []string{
	"argo-rollouts", "cert-manager", "cilium", "cloudnative-pg", "external-secrets", "gateway-api", "grafana-operator",
	"karpenter", "karpenter-provider-aws", "kyverno", "prometheus-operator",
}

// AssumesFlux reports whether a schema belongs to Flux, and the cluster does not say
// which version of Flux it has.
func (c *Cluster) AssumesFlux(source string) bool {
	project, _, _ := strings.Cut(source, " ")
	return isFluxController(project) && c.fluxVersion() == ""
}

func isFluxController(project string) bool {
	return slices.Contains([]string{
		"source-controller", "kustomize-controller", "helm-controller", "notification-controller",
		"image-reflector-controller", "image-automation-controller", "source-watcher",
	}, project)
}

// pinnedFlux returns the version of Flux whose kinds are known.
var pinnedFlux = sync.OnceValue(func() string {
	known, _ := catalog.Builtin().Lookup(kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind))
	_, version, _ := strings.Cut(known.Source(), " ")
	if parsed, err := semver.NewVersion(version); err == nil {
		return fmt.Sprintf("2.%d.%d", parsed.Minor(), parsed.Patch())
	}
	return ""
})

// installed returns the versions, or ranges, of an upstream project that Flux or
// Crossplane installs from the network on an object's API server, or on any.
func (c *Cluster) installed(o *render.Object, project string) []string {
	type key struct{ target, project string }
	asked := key{Target(o), project}
	if known, found := c.versions.Load(asked); found {
		return known.([]string)
	}
	versions := c.findInstalled(o, project)
	c.versions.Store(asked, versions)
	return versions
}

func (c *Cluster) findInstalled(o *render.Object, project string) []string {
	var versions []string
	add := func(from *render.Object, name, version string) {
		if version != "" && isOfProject(name, project) && Target(from) == Target(o) {
			versions = append(versions, version)
		}
	}
	text := func(o *render.Object, field ...string) string {
		value, _, _ := unstructured.NestedString(o.Object, field...)
		return value
	}
	for _, release := range c.kinds[ReleaseKind] {
		if name := c.chartName(release); !slices.Contains(countsItself, name) {
			add(release, name, text(release, "spec", "chart", "spec", "version"))
		}
	}
	for _, source := range c.Sources() {
		if name := strings.TrimSuffix(path.Base(text(source, "spec", "url")), ".git"); !slices.Contains(countsItself, name) {
			add(source, name, text(source, "spec", "ref", "tag"))
			add(source, name, text(source, "spec", "ref", "semver"))
		}
	}
	for _, provider := range c.Of("pkg.crossplane.io", "Provider") {
		name, tag := SplitImage(text(provider, "spec", "package"))
		add(provider, path.Base(name), tag)
	}
	for _, unknown := range c.Unknowns {
		if name, version := unknown.Installs(); name == project && version != "" {
			versions = append(versions, version)
		}
	}
	return versions
}

// Sources returns the GitRepositories and OCIRepositories.
func (c *Cluster) Sources() []*render.Object {
	group := sourcev1.GroupVersion.Group
	return slices.Concat(c.Of(group, sourcev1.GitRepositoryKind), c.Of(group, sourcev1.OCIRepositoryKind))
}

// isOfProject reports whether the version of a chart, a repository or a package with this
// name is a project's version.
func isOfProject(name, project string) bool {
	switch project {
	case "provider-aws":
		return strings.HasPrefix(name, "provider-aws") || name == "provider-family-aws"
	case "karpenter", "karpenter-provider-aws":
		return name == "karpenter" || name == "karpenter-crd" || name == project
	}
	return name == project
}

// otherMinor reports whether a version has another minor version than the pinned one, or
// a range excludes the pinned minor version.
func otherMinor(installed, pinned string) bool {
	pin, err := semver.NewVersion(pinned)
	if err != nil {
		return false
	}
	if version, err := semver.NewVersion(installed); err == nil {
		return version.Major() != pin.Major() || version.Minor() != pin.Minor()
	}
	versions, err := semver.NewConstraint(installed)
	return err == nil && !versions.Check(pin)
}

// otherMajor reports whether a version has another major version than the pinned one, or
// a range excludes the pinned major version.
func otherMajor(installed, pinned string) bool {
	pin, err := semver.NewVersion(pinned)
	if err != nil {
		return false
	}
	if version, err := semver.NewVersion(installed); err == nil {
		return version.Major() != pin.Major()
	}
	versions, err := semver.NewConstraint(installed)
	if err != nil {
		return false
	}
	for minor := range uint64(100) {
		for _, patch := range []uint64{0, 1, 99} {
			if versions.Check(semver.New(pin.Major(), minor, patch, "", "")) {
				return false
			}
		}
	}
	return true
}
