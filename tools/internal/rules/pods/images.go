package pods

import (
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Images is rule POD012.
var Images = rule.Rule{
	ID: "POD012", Severity: findings.Error, Title: "image that is named by a tag",
	Why: "A tag can be moved: two pods of one Deployment may then run different images, and a revert does not bring the old " +
		"one back (https://kubernetes.io/docs/concepts/containers/images/#image-names). The tag latest, or none, moves with " +
		"every release and is an error; any other tag is a warning. The rule does not judge clusters whose facts say " +
		"ENVIRONMENT: local.",
	Example: "image: python:latest",
	Fix:     "Name the image by digest.",
	Check:   checkImages,
}

func checkImages(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if r.Cluster.IsLocal(w.Object) {
			continue
		}
		for _, c := range w.Containers() {
			if c.Image != "" && !strings.Contains(c.Image, "@") {
				checkTag(r, w, c)
			}
		}
	}
}

func checkTag(r *rule.Pass, w model.Workload, c model.Container) {
	switch _, tag := model.SplitImage(c.Image); tag {
	case "", "latest":
		r.Report(c.At("image"), "%s runs %s: each pod gets what the tag names when it starts", w.Key(), c.Image).
			Fix("name the image by digest")
	default:
		r.Warn(c.At("image"), "%s runs %s by its tag, which can be moved", w.Key(), c.Image).
			Fix("name the image by digest: " + c.Image + "@sha256:...")
	}
}
