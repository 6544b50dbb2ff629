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
	ID: "FLX015", Severity: findings.Error, Title: "version range as a tag, or a word as a version range",
	Why: "ref.tag is the name of one tag, ref.semver a range of versions. The API server accepts a range as ref.tag, although " +
		"no tag can have that name, and a word as ref.semver. In both cases the source never becomes ready " +
		"(https://fluxcd.io/flux/components/source/gitrepositories/#semver-example).",
	Example: "ref:\n  tag: \">=1.0.0\"",
	Fix:     "Write a range as ref.semver, and a tag as ref.tag.",
	Check:   checkRanges,
}

// impossible matches characters that a version range may contain, but no tag of Git or a
// registry.
var impossible = regexp.MustCompile(`[\s^~*<>=|]`)

func checkRanges(r *rule.Pass) {
	for _, o := range r.Cluster.Sources() {
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		if impossible.MatchString(strings.TrimSpace(tag)) {
			r.Report(model.At(o, "spec", "ref", "tag"), "%s names tag %q, which cannot be the name of a tag", o.Key(), tag).
				Fix("write it as semver")
		}
		version, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "semver")
		if _, err := semver.NewConstraint(version); version != "" && err != nil {
			r.Report(model.At(o, "spec", "ref", "semver"), "%s names the versions %q, which are not a range: %v", o.Key(), version, err).
				Fix("write a range such as >=1.0.0 <2.0.0, or the name as tag")
		}
	}
}
