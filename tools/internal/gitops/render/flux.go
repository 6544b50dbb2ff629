package render

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/clusters"
)

// substitution says how Flux treats a variable without a value.
type substitution int

const (
	asClusterSays substitution = iota
	strict                     // it rejects the object
	lenient                    // it replaces the variable with nothing
)

// strictSince is the first minor version with strict substitution: of Flux 2 and also of
// kustomize-controller 1.
const strictSince = 9

func substitutionOf(flux string) (substitution, error) {
	if flux == "" {
		return asClusterSays, nil
	}
	version, err := semver.NewVersion(flux)
	switch {
	case err != nil || version.Major() != 2:
		return 0, fmt.Errorf("--flux=%s: name a version of Flux such as 2.8", flux)
	case version.Minor() < strictSince:
		return lenient, nil
	default:
		return strict, nil
	}
}

// cluster renders a cluster strictly. If its Flux is older, and that makes a difference,
// it renders it again leniently.
func (s *shared) cluster(ctx context.Context, of clusters.Cluster, how substitution) (*Cluster, error) {
	walk := newWalk(s, of, how == lenient)
	if err := walk.run(ctx); err != nil {
		return nil, err
	}
	undefined := slices.ContainsFunc(walk.cluster.Failures, func(f Failure) bool { return f.Cause == VariableMissing })
	if how != asClusterSays || !undefined || !walk.cluster.lenient() {
		return walk.cluster, nil
	}
	return s.cluster(ctx, of, lenient)
}

// lenient reports whether the cluster's Flux replaces a variable without a value with
// nothing. The feature gate decides, or else the version. If neither is known, the newest
// Flux is assumed.
func (c *Cluster) lenient() bool {
	controller := c.own(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "kustomize-controller")
	instance := c.own(instanceKind, "")
	if strict, said := gate(controller, "spec", "template", "spec", "containers"); said {
		return !strict
	}
	if strict, said := gate(instance, "spec", "kustomize"); said {
		return !strict
	}
	namespace := c.own(schema.GroupKind{Kind: "Namespace"}, rootName)
	for _, before := range []func() (bool, bool){
		func() (bool, bool) { return versionBefore(controllerTag(controller), 1) },
		func() (bool, bool) { return versionBefore(label(namespace, "app.kubernetes.io/version"), 2) },
		func() (bool, bool) { return rangeBefore(text(instance, "spec", "distribution", "version")) },
		func() (bool, bool) { return versionBefore(c.fluxByAddress(), 2) },
	} {
		if before, said := before(); said {
			return before
		}
	}
	return false
}

// FluxVersion returns the version of Flux, or the range of versions, from the caller or
// the cluster's manifests; empty if neither has one.
func (c *Cluster) FluxVersion() string {
	return cmp.Or(
		c.flux, label(c.own(schema.GroupKind{Kind: "Namespace"}, rootName), "app.kubernetes.io/version"),
		text(c.own(instanceKind, ""), "spec", "distribution", "version"), c.fluxByAddress(),
	)
}

// own returns an object of the cluster itself, by kind and name, or with any name; nil if
// there is none.
func (c *Cluster) own(kind schema.GroupKind, name string) *Object {
	for _, o := range c.Objects() {
		if o.GroupVersionKind().GroupKind() == kind && (name == "" || o.GetName() == name) && o.Owner.Spec.KubeConfig == nil {
			return o
		}
	}
	return nil
}

// fluxByAddress returns the version of Flux in a kustomization's network address; empty
// for none.
func (c *Cluster) fluxByAddress() string {
	for _, unknown := range c.Unknowns {
		if name, version := unknown.Installs(); name == "flux2" {
			return version
		}
	}
	return ""
}

var strictGate = regexp.MustCompile(`StrictPostBuildSubstitutions=(\w+)`)

// gate reads the feature gate from a field of an object, in any form in which it can be
// set.
func gate(o *Object, field ...string) (strict, said bool) {
	if o == nil {
		return false, false
	}
	value, _, _ := unstructured.NestedFieldNoCopy(o.Object, field...)
	data, _ := json.Marshal(value)
	match := strictGate.FindSubmatch(data)
	if match == nil {
		return false, false
	}
	strict, err := strconv.ParseBool(string(match[1]))
	return strict, err == nil
}

func controllerTag(controller *Object) string {
	if controller == nil {
		return ""
	}
	containers, _, _ := unstructured.NestedSlice(controller.Object, "spec", "template", "spec", "containers")
	for _, container := range containers {
		mapping, _ := container.(map[string]any)
		image, _ := mapping["image"].(string)
		image, _, _ = strings.Cut(image, "@")
		if name, tag, _ := strings.Cut(path.Base(image), ":"); name == "kustomize-controller" {
			return tag
		}
	}
	return ""
}

func label(o *Object, key string) string {
	if o == nil {
		return ""
	}
	return o.GetLabels()[key]
}

func text(o *Object, field ...string) string {
	if o == nil {
		return ""
	}
	value, _, _ := unstructured.NestedString(o.Object, field...)
	return value
}

// versionBefore reports whether a version is older than the first strict one, of a major
// version.
func versionBefore(text string, major uint64) (before, said bool) {
	version, err := semver.NewVersion(text)
	if err != nil {
		return false, false
	}
	return version.Major() < major || version.Major() == major && version.Minor() < strictSince, true
}

// rangeBefore reports whether the newest version that a range allows is older than the
// first strict one; flux-operator installs the newest.
func rangeBefore(text string) (before, said bool) {
	if before, said := versionBefore(text, 2); said && strings.Count(text, ".") == 2 {
		return before, true
	}
	versions, err := semver.NewConstraint(text)
	if text == "" || err != nil {
		return false, false
	}
	for minor := uint64(strictSince); minor < 100; minor++ {
		for _, patch := range []uint64{0, 1, 99} {
			if versions.Check(semver.New(2, minor, patch, "", "")) {
				return false, true
			}
		}
	}
	return !versions.Check(semver.New(3, 0, 0, "", "")), true
}
