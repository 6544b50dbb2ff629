package rules

import (
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Version says that a version in the manifests equals a pinned one.
type Version struct {
	config.Version
	Pinned string
}

// Versions reads the pins to which a repository's configuration ties versions.
func Versions(root string, c config.Config) ([]Version, error) {
	var all []pins.Pins
	if c.Pins != "" {
		var err error
		if all, err = pins.Load(filepath.Join(root, c.Pins)); err != nil {
			return nil, fmt.Errorf("%s: pins: %w", config.Name, err)
		}
	}
	var versions []Version
	for i, version := range c.Versions {
		pinned, found := pins.Find(all, version.Module)
		switch {
		case c.Pins == "":
			return nil, fmt.Errorf("%s: versions[%d]: nothing is pinned: name the folder of go.mod files under pins", config.Name, i)
		case !found:
			return nil, fmt.Errorf("%s: versions[%d]: no go.mod below %s requires %s: correct the module, or add it with `go get`", config.Name, i, c.Pins, version.Module)
		}
		versions = append(versions, Version{version, pinned})
	}
	return versions, nil
}

func checkVersions(r *Run) {
	for _, version := range r.Versions {
		if version.Image != "" {
			r.checkImageVersion(version.Image, version.Module, version.Pinned)
			r.checkPackageVersion(version.Image, version.Module, version.Pinned)
		} else {
			r.checkSourceVersion(version.Source, version.Module, version.Pinned)
		}
	}
}

func (r *Run) checkImageVersion(image, module, pinned string) {
	for _, w := range r.Cluster.Workloads() {
		for i, container := range w.Template.Spec.Containers {
			name, tag := splitImage(container.Image)
			if name == image && strings.TrimPrefix(tag, "v") != strings.TrimPrefix(pinned, "v") {
				r.report(on(w.Object, w.Field("containers", i, "image")...), "write "+pinned+", or move the pin of "+module,
					"%s runs %s, but %s is pinned to %s", w.Key(), container.Image, module, pinned)
			}
		}
	}
}

// checkPackageVersion is for Crossplane's packages, which are images, too.
func (r *Run) checkPackageVersion(image, module, pinned string) {
	for _, kind := range []string{"Provider", "Function", "Configuration"} {
		for _, o := range r.Cluster.Of("pkg.crossplane.io", kind) {
			declared, _, _ := unstructured.NestedString(o.Object, "spec", "package")
			name, tag := splitImage(declared)
			if name == image && strings.TrimPrefix(tag, "v") != strings.TrimPrefix(pinned, "v") {
				r.report(on(o, "spec", "package"), "write "+pinned+", or move the pin of "+module,
					"%s installs %s, but %s is pinned to %s", o.Key(), declared, module, pinned)
			}
		}
	}
}

func (r *Run) checkSourceVersion(url, module, pinned string) {
	for _, o := range r.sources() {
		declared, _, _ := unstructured.NestedString(o.Object, "spec", "url")
		tag, found, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if declared == url && tag != pinned {
			field := []any{"spec", "ref", "tag"}
			if !found {
				field = []any{"spec", "ref"}
			}
			r.report(on(o, field...), "write tag: "+pinned+", or move the pin of "+module,
				"%s takes %s at %q, but %s is pinned to %s", o.Key(), url, tag, module, pinned)
		}
	}
}

func (r *Run) sources() []*render.Object {
	return append(append([]*render.Object{}, r.Cluster.Of("source.toolkit.fluxcd.io", "GitRepository")...), r.Cluster.Of("source.toolkit.fluxcd.io", "OCIRepository")...)
}

// splitImage takes an image reference apart into the name and the tag, which is
// empty when there is none.
func splitImage(image string) (name, tag string) {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		return image[:colon], image[colon+1:]
	}
	return image, ""
}
