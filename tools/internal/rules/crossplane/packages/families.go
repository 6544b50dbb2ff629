package packages

import (
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Families is rule XP014.
var Families = rule.Rule{
	ID: "XP014", Severity: findings.Error, Title: "provider whose family is pinned by digest",
	Why: "The providers of a family depend on a version of the family's package, and Crossplane 2.4 cannot tell the version of " +
		"a package that is installed by digest: the provider stays unhealthy, with \"cannot resolve package dependencies\" " +
		"(https://github.com/crossplane/crossplane/issues/7458). A tag before the digest does not help.",
	Example: "kind: Provider\nspec:\n  package: xpkg.crossplane.io/crossplane-contrib/provider-aws-sqs:v2.4.0 " +
		"# and provider-family-aws@sha256:...",
	Fix:   "Set skipDependencyResolution: true in the provider, and install its family beside it.",
	Check: checkFamilies,
}

const family = "provider-family-"

func checkFamilies(r *rule.Pass) {
	providers := r.Cluster.Of(packageGroup, "Provider")
	byDigest := map[string]*render.Object{} // by repository and name of the family
	for _, o := range providers {
		folder, name := repository(o)
		if of, is := strings.CutPrefix(name, family); is && strings.Contains(source(o), "@") {
			byDigest[path.Join(folder, "provider-"+of)] = o
		}
	}
	for _, o := range providers {
		folder, name := repository(o)
		if skips, _, _ := unstructured.NestedBool(o.Object, "spec", "skipDependencyResolution"); skips || strings.HasPrefix(name, family) {
			continue
		}
		for prefix, of := range byDigest {
			if !strings.HasPrefix(path.Join(folder, name), prefix+"-") || model.Target(o) != model.Target(of) {
				continue
			}
			severity, note := r.Pinned(o, "crossplane 2.4.0")
			r.ReportAs(severity, model.At(o, "spec", "package"),
				"Crossplane cannot compare the digest of %s with the version that %s requires%s", of.Key(), o.Key(), note).
				Fix("set skipDependencyResolution: true")
		}
	}
}

// repository returns the repository of a package's image, and the image's name in it.
func repository(o *render.Object) (folder, name string) {
	image, _ := model.SplitImage(source(o))
	return path.Dir(image), path.Base(image)
}
