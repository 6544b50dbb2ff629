package flux

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Unsubstituted is rule FLX012.
var Unsubstituted = rule.Rule{
	ID: "FLX012", Severity: findings.Error, Title: "variable that nothing substitutes",
	Why: "Flux substitutes variables only for a Kustomization with postBuild. Without it a name or an account is literally " +
		"${NAME} (https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution). The rule " +
		"judges variables that have a value in another Kustomization of the cluster. It ignores commands, texts of several " +
		"lines, and the data of ConfigMaps and Secrets: the programs that read them may use such variables.",
	Example: "kind: Kustomization\nspec:\n  path: ./apps/consumer # its manifests hold ${AWS_REGION}\n  # no postBuild",
	Fix:     "Add the postBuild that the other Kustomizations have, or escape the variable.",
	Check:   checkUnsubstituted,
}

// checkUnsubstituted reports each Kustomization without substitution whose objects
// contain variables for which another Kustomization of the cluster has values. A variable
// without values may be meant for another program, and a root that only another
// repository declares may have substitution.
func checkUnsubstituted(r *rule.Pass) {
	known := variablesInUse(r)
	for _, k := range r.Cluster.Kustomizations() {
		if substitutes(k) || k.Outside() {
			continue
		}
		for _, o := range k.Objects {
			left := variablesIn(o, known)
			if len(left) == 0 {
				continue
			}
			place := model.At(o)
			if k.Object != nil {
				place = model.At(k.Object, "spec")
			}
			r.Report(place,
				"%s substitutes nothing, and applies %s with a literal %s", k, o.Key(), strings.Join(left, " and ")).
				Fix("give it the postBuild of the Kustomizations that have values for it")
			break // one object shows enough
		}
	}
}

// substitutes reports whether Flux substitutes variables in a Kustomization's objects.
func substitutes(k *render.Applier) bool {
	postBuild := k.Spec.PostBuild
	return postBuild != nil && (len(postBuild.Substitute)+len(postBuild.SubstituteFrom) > 0 ||
		(&kustomizev1.Kustomization{Spec: k.Spec}).GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways)
}

// variablesInUse returns the variables for which a Kustomization of the cluster has a
// value.
func variablesInUse(r *rule.Pass) map[string]bool {
	names := map[string]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		if k.Object == nil || k.Spec.PostBuild == nil {
			continue
		}
		for name := range k.Spec.PostBuild.Substitute {
			names[name] = true
		}
		for _, from := range k.Spec.PostBuild.SubstituteFrom {
			values, _ := r.Cluster.Data(k.Object, from.Kind, from.Name)
			for name := range values {
				names[name] = true
			}
		}
	}
	return names
}

// withoutBuild returns the content of an object. For a Kustomization with substitution it
// leaves out the fields that its own build uses, because they are substituted later.
func withoutBuild(o *render.Object) map[string]any {
	spec, _ := o.Object["spec"].(map[string]any)
	if _, own := spec["postBuild"]; o.GroupVersionKind().GroupKind() != model.KustomizationKind || !own {
		return o.Object
	}
	spec = maps.Clone(spec)
	for _, field := range []string{"patches", "images", "targetNamespace", "namePrefix", "nameSuffix"} {
		delete(spec, field)
	}
	return map[string]any{"metadata": o.Object["metadata"], "spec": spec}
}

var substitution = regexp.MustCompile(`(?:^|[^$])\$\{([_[:alpha:]][_[:alnum:]]*)[^}]*\}`)

// variablesIn lists the known variables in an object, except where a shell may read them:
// in commands, in texts of several lines, and in the data of ConfigMaps and Secrets.
func variablesIn(o *render.Object, known map[string]bool) []string {
	if o.GetKind() == "ConfigMap" || o.GetKind() == "Secret" {
		return nil
	}
	found := map[string]bool{}
	var look func(value any)
	look = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for field, inner := range value {
				if field != "command" && field != "args" {
					look(inner)
				}
			}
		case []any:
			for _, inner := range value {
				look(inner)
			}
		case string:
			if strings.Contains(value, "\n") {
				return
			}
			for _, match := range substitution.FindAllStringSubmatch(value, -1) {
				if known[match[1]] {
					found["${"+match[1]+"}"] = true
				}
			}
		}
	}
	look(withoutBuild(o))
	return slices.Sorted(maps.Keys(found))
}
