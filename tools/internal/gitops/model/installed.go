package model

import (
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// ProvidedNamespaces are there before Flux applies anything, in every cluster.
var ProvidedNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease", "flux-system"}

// IsProvided reports whether a namespace is there before Flux applies anything: in
// every cluster, or in those of a distribution that keeps it for itself.
func IsProvided(namespace string) bool {
	return slices.Contains(ProvidedNamespaces, namespace) || strings.HasPrefix(namespace, "openshift-") || strings.HasPrefix(namespace, "gke-")
}

// OtherVersion is the version, or range, of an upstream project that is installed
// where an object is, if its minor version is another one than the pinned one that
// this program knows. It is empty if there is none.
func (c *Cluster) OtherVersion(o *render.Object, project, pinned string) string {
	for _, installed := range c.installed(o, project) {
		if otherMinor(installed, pinned) {
			return installed
		}
	}
	return ""
}

// installed are the versions, or ranges, of an upstream project that Flux or
// Crossplane installs on the API server where an object is, or on any from the
// network.
func (c *Cluster) installed(o *render.Object, project string) []string {
	var versions []string
	add := func(from *render.Object, name, version string) {
		if version != "" && (name == project || project == "provider-aws" && isProviderAWS(name)) && Target(from) == Target(o) {
			versions = append(versions, version)
		}
	}
	text := func(o *render.Object, field ...string) string {
		value, _, _ := unstructured.NestedString(o.Object, field...)
		return value
	}
	for _, release := range c.Of(ReleaseKind.Group, ReleaseKind.Kind) {
		add(release, path.Base(text(release, "spec", "chart", "spec", "chart")), text(release, "spec", "chart", "spec", "version"))
	}
	for _, source := range c.Sources() {
		name := strings.TrimSuffix(path.Base(text(source, "spec", "url")), ".git")
		add(source, name, text(source, "spec", "ref", "tag"))
		add(source, name, text(source, "spec", "ref", "semver"))
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

// Sources are the GitRepositories and OCIRepositories.
func (c *Cluster) Sources() []*render.Object {
	group := sourcev1.GroupVersion.Group
	return slices.Concat(c.Of(group, sourcev1.GitRepositoryKind), c.Of(group, sourcev1.OCIRepositoryKind))
}

func isProviderAWS(name string) bool {
	return strings.HasPrefix(name, "provider-aws") || name == "provider-family-aws"
}

// otherMinor reports whether a version is of another minor version than the pinned
// one, or a range leaves that out.
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
