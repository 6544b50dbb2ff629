package packages

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Verification is rule XP015.
var Verification = rule.Rule{
	ID: "XP015", Severity: findings.Error, Title: "signatures that Crossplane does not verify",
	Why: "Verification by an ImageConfig is an alpha feature of Crossplane. Without --enable-signature-verification Crossplane " +
		"silently installs every package, whoever signed it " +
		"(https://docs.crossplane.io/latest/packages/image-configs/#configuring-signature-verification).",
	Example: "kind: ImageConfig\nspec:\n  verification:\n    provider: Cosign",
	Fix:     "Add --enable-signature-verification to the arguments of Crossplane, which its chart has as args.",
	Check:   checkVerification,
}

const (
	crossplaneImage = "crossplane/crossplane"
	verifies        = "--enable-signature-verification"
)

func checkVerification(r *rule.Pass) {
	for _, o := range r.Cluster.Of(packageGroup, "ImageConfig") {
		if _, configured, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "verification"); !configured {
			continue
		}
		for _, w := range r.Cluster.Workloads() {
			for _, c := range w.Containers() {
				name, _ := model.SplitImage(c.Image)
				// The RBAC manager has the same image.
				core := strings.HasSuffix(name, crossplaneImage) && slices.Equal(c.Args[:min(2, len(c.Args))], []string{"core", "start"})
				if core && model.Target(w.Object) == model.Target(o) && !enabled(c.Args) {
					r.Report(model.At(o, "spec", "verification"), "%s runs without %s: %s verifies nothing", w.Key(), verifies, o.Key()).
						Fix("add " + verifies + " to the args in the values of Crossplane's chart")
				}
			}
		}
	}
}

func enabled(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		name, value, set := strings.Cut(arg, "=")
		return name == verifies && (!set || value == "true")
	})
}
