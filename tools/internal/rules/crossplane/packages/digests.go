package packages

import (
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Digests is rule XP007.
var Digests = rule.Rule{
	ID: "XP007", Severity: findings.Warning, Title: "package that is named by a tag",
	Why: "A package of Crossplane is an image that gets a provider's permissions, and its credentials for a cloud. Whoever " +
		"moves the tag runs a program with them (https://docs.crossplane.io/latest/packages/providers/#install-a-provider). A " +
		"package without a tag, or with the tag latest, is an error, because it changes with each release. The rule does not " +
		"judge clusters whose facts say ENVIRONMENT: local.",
	Example: "kind: Provider\nspec:\n  package: xpkg.crossplane.io/crossplane-contrib/provider-aws-sqs:v2.4.0",
	Fix:     "Name the package by digest: NAME@sha256:...",
	Check:   checkDigests,
}

// packageKinds are the kinds that install a package.
var packageKinds = []string{"Provider", "Function", "Configuration"}

func checkDigests(r *rule.Pass) {
	for _, kind := range packageKinds {
		for _, o := range r.Cluster.Of(packageGroup, kind) {
			source := source(o)
			if source == "" || strings.Contains(source, "@") || r.Cluster.IsLocal(o) {
				continue
			}
			place := model.At(o, "spec", "package")
			if _, tag := model.SplitImage(source); tag == "" || tag == "latest" {
				r.ReportAs(findings.Error, place, "%s installs %s: whatever is newest when it is pulled", o.Key(), source).
					Fix("name the package by digest")
				continue
			}
			r.Report(place, "%s installs %s by its tag, which can be moved", o.Key(), source).
				Fix("name the package by digest: " + source + "@sha256:...")
		}
	}
}
