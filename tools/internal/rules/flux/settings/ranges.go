package settings

import (
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Ranges is rule FLX015.
var Ranges = rule.Rule{
	ID: "FLX015", Severity: findings.Error, Title: "range where a tag is meant, or the other way round",
	Why: "ref.tag is the name of one tag, and ref.semver a range of versions: a range in the one, which no tag can be called, and a " +
		"word in the other are accepted, and the source is never ready " +
		"(https://fluxcd.io/flux/components/source/gitrepositories/#semver-example).",
	Example: "ref:\n  tag: \">=1.0.0\"",
	Fix:     "Write the range as ref.semver, the tag as ref.tag.",
	Check:   checkRanges,
}

// impossible matches characters that a version range may contain, but no tag of Git or a
// registry.
var impossible = regexp.MustCompile(`[\s^~*<>=|]`)

func checkRanges(r *rule.Pass) {
	for _, o := range r.Cluster.Sources() {
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if impossible.MatchString(strings.TrimSpace(tag)) {
			r.Report(model.At(o, "spec", "ref", "tag"), "%s takes tag %q, which no tag can be called", o.Key(), tag).
				Fix("write it as semver")
		}
		version, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "semver")
		if _, err := semver.NewConstraint(version); version != "" && err != nil {
			r.Report(model.At(o, "spec", "ref", "semver"), "%s takes the versions %q, which is no range: %v", o.Key(), version, err).
				Fix("write a range such as >=1.0.0 <2.0.0, or the name as tag")
		}
	}
}
