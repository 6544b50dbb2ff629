// Package packages has the rules about the packages that Crossplane installs: the images
// of providers, functions and configurations.
package packages

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Faults,       // XP006
		Digests,      // XP007
		Families,     // XP014
		Verification, // XP015
	}
}

const packageGroup = "pkg.crossplane.io"

// source returns the image of a package.
func source(o *render.Object) string {
	image, _, _ := unstructured.NestedString(o.Object, "spec", "package")
	return image
}
