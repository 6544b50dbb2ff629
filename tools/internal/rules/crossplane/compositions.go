package crossplane

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Compositions is rule XP003.
var Compositions = rule.Rule{
	ID: "XP003", Severity: findings.Error, Title: "composition that names something that is not installed",
	Why: "A pipeline step whose function is not installed stops every composite resource of the kind " +
		"(https://github.com/crossplane-contrib/function-patch-and-transform/issues/144). The step names the Function object, " +
		"not its package. Crossplane never chooses a composition for a kind or version that no XRD offers " +
		"(https://docs.crossplane.io/latest/composition/compositions/).",
	Example: "pipeline:\n  - step: patch\n    functionRef:\n      name: patch-and-transform # installed as function-patch-and-transform",
	Fix:     "Name an installed Function, and the referenceable version of the XRD.",
	Check:   checkCompositions,
}

func checkCompositions(r *rule.Pass) {
	if len(r.Cluster.Of("pkg.crossplane.io", "Configuration")) > 0 {
		return // its package defines what it installs
	}
	for _, c := range compositions(r) {
		if !r.Cluster.Complete(model.CrossplaneObjects.For(c.object)) {
			continue
		}
		checkCompositeType(r, c)
		for i, step := range c.Spec.Pipeline {
			if r.Cluster.Find(c.object, "pkg.crossplane.io", "Function", "", step.FunctionRef.Name) != nil {
				continue
			}
			r.Report(model.At(c.object, "spec", "pipeline", i, "functionRef", "name"),
				"step %s of %s runs function %s, which the cluster does not install", step.Step, c.object.Key(), step.FunctionRef.Name).
				Fix(suggestFunction(r, step.FunctionRef.Name))
		}
	}
}

// suggestFunction returns the fix for an unknown function; a function often has its
// package's name.
func suggestFunction(r *rule.Pass, name string) string {
	var names []string
	for _, function := range r.Cluster.Of("pkg.crossplane.io", "Function") {
		source, _, _ := unstructured.NestedString(function.Object, "spec", "package")
		if repository, _ := model.SplitImage(source); path.Base(repository) == name {
			return fmt.Sprintf("the Function that installs it is called %s", function.GetName())
		}
		names = append(names, function.GetName())
	}
	return rule.DidYouMean(name, names, "install it with a Function object of that name")
}

func checkCompositeType(r *rule.Pass, c composition) {
	group, version := c.target()
	definitions := r.Cluster.Definitions()
	i := slices.IndexFunc(definitions, c.composes)
	if i < 0 {
		var kinds []string
		for _, d := range definitions {
			kinds = append(kinds, d.Kind)
		}
		r.Report(model.At(c.object, "spec", "compositeTypeRef", "kind"),
			"%s composes %s.%s, which no XRD defines", c.object.Key(), c.Spec.CompositeTypeRef.Kind, group).
			Fix(rule.DidYouMean(c.Spec.CompositeTypeRef.Kind, kinds, "apply the CompositeResourceDefinition"))
		return
	}
	var usable []string
	for _, v := range definitions[i].Versions {
		name, _ := v["name"].(string)
		served, _ := v["served"].(bool)
		if referenceable, _ := v["referenceable"].(bool); served && referenceable {
			usable = append(usable, name)
		}
	}
	if !slices.Contains(usable, version) {
		r.Report(model.At(c.object, "spec", "compositeTypeRef", "apiVersion"),
			"%s composes version %s of %s, which its XRD does not serve to compositions", c.object.Key(), version, c.Spec.CompositeTypeRef.Kind).
			Fix(fmt.Sprintf("write %s/%s", group, strings.Join(usable, " or ")))
	}
}
