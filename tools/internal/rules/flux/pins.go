package flux

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Pins is rule FLX007.
var Pins = rule.Rule{
	ID: "FLX007", Severity: findings.Error, Title: "version that differs from its pin",
	Why: "One pin decides which definitions validate uses, what the local cluster runs and what production installs. A " +
		"manifest that names another version is checked against the wrong definitions.",
	Example: "ref:\n  tag: v2.20.1 # tools/engines/keda pins v2.21.0",
	Fix:     "Write the pinned version, or change the pin.",
	Check:   checkVersions,
}

func checkVersions(r *rule.Pass) {
	for _, version := range r.Versions {
		if version.Image != "" {
			checkImageVersion(r, version.Image, version.Module, version.Pinned)
			checkPackageVersion(r, version.Image, version.Module, version.Pinned)
		} else {
			checkSourceVersion(r, version.Source, version.Module, version.Pinned)
		}
	}
}

func checkImageVersion(r *rule.Pass, image, module, pinned string) {
	for _, w := range r.Cluster.Workloads() {
		for i, container := range w.Template.Spec.Containers {
			name, tag := model.SplitImage(container.Image)
			if name == image && strings.TrimPrefix(tag, "v") != strings.TrimPrefix(pinned, "v") {
				r.Report(w.At("containers", i, "image"),
					"%s runs %s, but %s is pinned to %s", w.Key(), container.Image, module, pinned).
					Fix("write " + pinned + ", or change the pin of " + module)
			}
		}
	}
}

// checkPackageVersion checks a Crossplane package, which is an image as well.
func checkPackageVersion(r *rule.Pass, image, module, pinned string) {
	for _, kind := range []string{"Provider", "Function", "Configuration"} {
		for _, o := range r.Cluster.Of("pkg.crossplane.io", kind) {
			declared, _, _ := unstructured.NestedString(o.Object, "spec", "package")
			name, tag := model.SplitImage(declared)
			if name == image && strings.TrimPrefix(tag, "v") != strings.TrimPrefix(pinned, "v") {
				r.Report(model.At(o, "spec", "package"),
					"%s installs %s, but %s is pinned to %s", o.Key(), declared, module, pinned).
					Fix("write " + pinned + ", or change the pin of " + module)
			}
		}
	}
}

func checkSourceVersion(r *rule.Pass, url, module, pinned string) {
	for _, o := range r.Cluster.Sources() {
		declared, _, _ := unstructured.NestedString(o.Object, "spec", "url")
		tag, found, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if declared == url && tag != pinned {
			field := []any{"spec", "ref", "tag"}
			if !found {
				field = []any{"spec", "ref"}
			}
			r.Report(model.At(o, field...),
				"%s takes %s at %q, but %s is pinned to %s", o.Key(), url, tag, module, pinned).
				Fix("write tag: " + pinned + ", or change the pin of " + module)
		}
	}
}
