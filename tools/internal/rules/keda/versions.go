package keda

import (
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Versions is rule KEDA013.
var Versions = rule.Rule{
	ID: "KEDA013", Severity: findings.Error, Title: "KEDA version that is known to break",
	Why: "2.17.0, 2.20.0 and 2.20.1 have regressions that upstream fixed in their next patch releases " +
		"(https://github.com/kedacore/keda/blob/main/CHANGELOG.md).",
	Example: "image: ghcr.io/kedacore/keda:2.20.1",
	Fix:     "Take the next patch release.",
	Check:   checkKEDAVersion,
}

const kedaModule = "github.com/kedacore/keda/v2"

var (
	kedaImage   = regexp.MustCompile(`(^|/)kedacore/keda(-metrics-apiserver|-admission-webhooks)?$`)
	kedaSource  = regexp.MustCompile(`[/:]kedacore/(charts/)?keda(\.git)?/?$`)
	kedaVersion = regexp.MustCompile(`^v?2\.(17\.0|20\.0|20\.1)$`)
)

func checkKEDAVersion(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		for i, container := range w.Template.Spec.Containers {
			name, tag := model.SplitImage(container.Image)
			if kedaImage.MatchString(name) && kedaVersion.MatchString(tag) {
				r.Report(w.At("containers", i, "image"), "KEDA %s has known regressions", tag).Fix("use the next patch release")
			}
		}
	}
	checkChartVersions(r)
	for _, o := range r.Cluster.Sources() {
		url, _, _ := unstructured.NestedString(o.Object, "spec", "url")
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if (kedaSource.MatchString(url) || mirrors(r, url, kedaModule)) && kedaVersion.MatchString(tag) {
			r.Report(model.At(o, "spec", "ref", "tag"), "KEDA %s has known regressions", tag).
				Fix("use the next patch release")
		}
	}
}

// checkChartVersions checks the versions of KEDA's chart, which are KEDA's own.
func checkChartVersions(r *rule.Pass) {
	for _, release := range r.Cluster.Of(model.ReleaseKind.Group, model.ReleaseKind.Kind) {
		chart, _, _ := unstructured.NestedString(release.Object, "spec", "chart", "spec", "chart")
		version, _, _ := unstructured.NestedString(release.Object, "spec", "chart", "spec", "version")
		if chart == "keda" && kedaVersion.MatchString(version) {
			r.Report(model.At(release, "spec", "chart", "spec", "version"), "KEDA %s has known regressions", version).
				Fix("use the next patch release")
		}
	}
}

// mirrors reports whether the configuration maps a source to a module.
func mirrors(r *rule.Pass, url, module string) bool {
	for _, source := range r.Config.Sources {
		if source.URL == url && source.Module == module {
			return true
		}
	}
	return false
}
