package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Markers is rule FLX016.
var Markers = rule.Rule{
	ID: "FLX016", Severity: findings.Error, Title: "image marker that nothing updates",
	Why: "image-automation-controller silently skips a marker whose ImagePolicy does not exist, or is in another namespace " +
		"than the ImageUpdateAutomation (https://github.com/fluxcd/image-automation-controller/issues/361): the image is never " +
		"updated. The rule judges clusters with an ImageUpdateAutomation.",
	Example: "image: ghcr.io/acme/app:1.0.0 # {\"$imagepolicy\": \"flux-system:ap\"}",
	Fix:     "Name an ImagePolicy in the namespace of the ImageUpdateAutomation.",
	Check:   checkMarkers,
}

const imageGroup = "image.toolkit.fluxcd.io"

// marker matches the comment that ties a value to an ImagePolicy.
var marker = regexp.MustCompile(`\{\s*"\$imagepolicy"\s*:\s*"([^":]+):([^":]+)(?::[^"]*)?"`)

func checkMarkers(r *rule.Pass) {
	var namespaces []string
	for _, automation := range r.Cluster.Of(imageGroup, "ImageUpdateAutomation") {
		namespaces = append(namespaces, automation.GetNamespace())
	}
	if len(namespaces) == 0 || !r.Cluster.Complete(model.FluxObjects) {
		return
	}
	read := map[string]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		if k.Build == nil || k.Build.Source.Name != "" {
			continue // a file of another repository
		}
		for _, d := range documentsOf(k) {
			if at := d.At(d.Root).String(); !read[at] {
				read[at] = true
				checkComments(r, k, d, d.Root, namespaces)
			}
		}
	}
}

// documentsOf returns the manifests and the kustomization files of a build.
func documentsOf(k *render.Applier) []*origin.Document {
	var all []*origin.Document
	for _, manifests := range k.Build.Manifests() {
		for _, manifest := range manifests {
			all = append(all, manifest.Document)
		}
	}
	for _, layer := range k.Build.Layers {
		if f := k.Build.Read(layer.File); f != nil {
			all = append(all, f.Documents...)
		}
	}
	return all
}

func checkComments(r *rule.Pass, k *render.Applier, d *origin.Document, node *yaml.Node, namespaces []string) {
	if match := marker.FindStringSubmatch(node.LineComment); match != nil {
		checkMarker(r, k, d.At(node), match[1], match[2], namespaces)
	}
	for _, content := range node.Content {
		checkComments(r, k, d, content, namespaces)
	}
}

func checkMarker(r *rule.Pass, k *render.Applier, at render.Location, namespace, name string, namespaces []string) {
	var names []string
	for _, policy := range r.Cluster.Of(imageGroup, "ImagePolicy") {
		if policy.GetNamespace() == namespace {
			names = append(names, policy.GetName())
		}
	}
	switch {
	case !slices.Contains(names, name):
		r.ReportLine(k.Key().String(), at,
			fmt.Sprintf("the marker names ImagePolicy %s/%s, which nothing in this cluster applies", namespace, name)).
			Fix(rule.DidYouMean(name, names, "correct the name, or apply the ImagePolicy"))
	case !slices.Contains(namespaces, namespace):
		r.ReportLine(k.Key().String(), at, fmt.Sprintf(
			"the marker names ImagePolicy %s/%s, but the ImageUpdateAutomation reads only those of namespace %s",
			namespace, name, strings.Join(namespaces, ", "))).
			Fix("move the ImagePolicy to the namespace of the ImageUpdateAutomation")
	}
}
