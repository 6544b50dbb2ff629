package rules

import (
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// sayOf is how to report what only the pinned version of an upstream project says
// is wrong: as an error or, on the API server where an object is, of a cluster that
// installs another version, as a warning that names both. Source is such as
// `keda 2.21.0`.
func (r *Run) sayOf(o *render.Object, source string) func(place at, fix, format string, args ...any) {
	project, pinned, _ := strings.Cut(source, " ")
	for _, installed := range r.installed(o, project) {
		if otherMinor(installed, pinned) {
			return func(place at, fix, format string, args ...any) {
				r.warn(place, fix, format+" (in %s; the cluster installs %s, which is not known here)", append(args, source, installed)...)
			}
		}
	}
	return r.report
}

// installed are the versions, or ranges, of an upstream project that Flux or
// Crossplane installs on the API server where an object is, or on any from the
// network.
func (r *Run) installed(o *render.Object, project string) []string {
	var versions []string
	add := func(from *render.Object, name, version string) {
		if version != "" && (name == project || project == "provider-aws" && isProviderAWS(name)) && model.Target(from) == model.Target(o) {
			versions = append(versions, version)
		}
	}
	text := func(o *render.Object, field ...string) string {
		value, _, _ := unstructured.NestedString(o.Object, field...)
		return value
	}
	for _, release := range r.Cluster.Of("helm.toolkit.fluxcd.io", "HelmRelease") {
		add(release, path.Base(text(release, "spec", "chart", "spec", "chart")), text(release, "spec", "chart", "spec", "version"))
	}
	for _, kind := range []string{sourcev1.GitRepositoryKind, sourcev1.OCIRepositoryKind} {
		for _, source := range r.Cluster.Of(sourcev1.GroupVersion.Group, kind) {
			name := strings.TrimSuffix(path.Base(text(source, "spec", "url")), ".git")
			add(source, name, text(source, "spec", "ref", "tag"))
			add(source, name, text(source, "spec", "ref", "semver"))
		}
	}
	for _, provider := range r.Cluster.Of("pkg.crossplane.io", "Provider") {
		name, tag := splitImage(text(provider, "spec", "package"))
		add(provider, path.Base(name), tag)
	}
	for _, unknown := range r.Cluster.Unknowns {
		if name, version := unknown.Installs(); name == project && version != "" {
			versions = append(versions, version)
		}
	}
	return versions
}

func isProviderAWS(name string) bool {
	return strings.HasPrefix(name, "provider-aws") || name == "provider-family-aws"
}

// otherMinor tells whether a version is of another minor version than the pinned
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
