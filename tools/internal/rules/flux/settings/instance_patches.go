package settings

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// InstancePatches is rule FLX017.
var InstancePatches = rule.Rule{
	ID: "FLX017", Severity: findings.Warning, Title: "patch of a FluxInstance that selects no controller",
	Why: "The patches of a FluxInstance apply to the controllers that it installs: the four default ones, or those in " +
		"components. A patch whose target has another name, or has a namespace, applies to nothing, and the controller keeps " +
		"its settings (https://fluxoperator.dev/docs/instance/customization/). The rule follows the operator's documentation.",
	Example: "patches:\n  - target: {kind: Deployment, name: kustomise-controller}",
	Fix:     "Name a controller that the instance has, without a namespace.",
	Check:   checkInstancePatches,
}

// defaultControllers are the controllers of a FluxInstance that lists none.
var defaultControllers = []string{"source-controller", "kustomize-controller", "helm-controller", "notification-controller"}

func checkInstancePatches(r *rule.Pass) {
	for _, o := range r.Cluster.Of("fluxcd.controlplane.io", "FluxInstance") {
		controllers, said, _ := unstructured.NestedStringSlice(o.Object, "spec", "components")
		if !said {
			controllers = defaultControllers
		}
		patches, _, _ := unstructured.NestedSlice(o.Object, "spec", "kustomize", "patches")
		for i, entry := range patches {
			patch, _ := entry.(map[string]any)
			if target, ok := patch["target"].(map[string]any); ok {
				checkInstanceTarget(r, o, i, target, controllers)
			}
		}
	}
}

func checkInstanceTarget(r *rule.Pass, o *render.Object, index int, target map[string]any, controllers []string) {
	text := func(name string) string { value, _ := target[name].(string); return value }
	at := func(field string) model.Field {
		return model.At(o, "spec", "kustomize", "patches", index, "target", field)
	}
	if namespace := text("namespace"); namespace != "" {
		r.Report(at("namespace"),
			"the patch of %s selects namespace %s: it applies to nothing, because no object has one yet", o.Key(), namespace).
			Fix("remove the namespace")
		return
	}
	// Each controller has a Deployment and a ServiceAccount with its name.
	if kind := text("kind"); text("name") == "" || kind != "Deployment" && kind != "ServiceAccount" {
		return
	}
	selects := func(controller string) bool { return origin.Matches(text("name"), controller) }
	if !slices.ContainsFunc(controllers, selects) {
		r.Report(at("name"), "the patch of %s selects %s, but the instance installs %v", o.Key(), text("name"), controllers).
			Fix(rule.DidYouMean(text("name"), controllers, "name a controller, or add it to components"))
	}
}
