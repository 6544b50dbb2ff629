package crossplane

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Deletion is rule XP004.
var Deletion = rule.Rule{
	ID: "XP004", Severity: findings.Warning, Title: "queue or bucket that is deleted with its manifest",
	Why: "Deleting a managed resource deletes what it manages. A renamed file or a prune is enough, and the messages of a " +
		"queue or of a dead-letter queue are gone (https://github.com/crossplane/crossplane/issues/6694). S3 refuses to delete " +
		"a bucket that holds objects, unless forceDestroy empties it first.",
	Example: "kind: Queue\nspec:\n  managementPolicies: [\"*\"] # the default",
	Fix:     "Leave Delete out of managementPolicies (in v1: deletionPolicy: Orphan), or protect it with a Usage.",
	Check:   checkDeletion,
}

func checkDeletion(r *rule.Pass) {
	for _, kind := range []struct{ service, name string }{{"sqs", "Queue"}, {"s3", "Bucket"}} {
		for _, o := range r.Cluster.Managed(kind.service, kind.name) {
			place, deletes := model.DeletesExternal(o)
			if !deletes || protected(r, o) {
				continue
			}
			force, _ := model.Setting(o, "forceDestroy").(bool)
			switch {
			case kind.name == "Queue":
				r.Report(place, "deleting %s deletes the queue and its messages", o.Key()).Fix(deletionFix(o))
			case force:
				r.Report(model.SettingAt(o, "forceDestroy"), "deleting %s deletes the bucket and its objects", o.Key()).
					Fix("remove forceDestroy, or " + deletionFix(o))
			}
		}
	}
}

func deletionFix(o *render.Object) string {
	if o.Composite != nil {
		return "protect " + o.Composite.Key().String() + " with a Usage, as its API may offer"
	}
	if model.ProviderGroup(o) == model.ClusterAWS {
		return "set deletionPolicy: Orphan"
	}
	return "set managementPolicies: [Observe, Create, Update, LateInitialize]"
}

// protected reports whether a Usage protects a managed resource, or Flux does not prune
// it.
func protected(r *rule.Pass, o *render.Object) bool {
	if o.GetAnnotations()[model.PruneSwitch] == "disabled" {
		return true
	}
	if slices.ContainsFunc(usages(r), func(usage *render.Object) bool { return protects(usage, o) }) {
		return true
	}
	// A composed resource is deleted with its composite resource.
	return o.Composite != nil && protected(r, o.Composite)
}

func usages(r *rule.Pass) []*render.Object {
	return slices.Concat(
		r.Cluster.Of("protection.crossplane.io", "Usage"),
		r.Cluster.Of("protection.crossplane.io", "ClusterUsage"),
		r.Cluster.Of(model.CrossplaneGroup, "Usage"),
	)
}

func protects(usage, o *render.Object) bool {
	of, _, _ := unstructured.NestedMap(usage.Object, "spec", "of")
	version, _ := of["apiVersion"].(string)
	if model.GroupOf(version) != o.GroupVersionKind().Group || of["kind"] != o.GetKind() || model.Target(usage) != model.Target(o) {
		return false
	}
	reference, named := of["resourceRef"].(map[string]any)
	if !named {
		reference, _ = of["resourceSelector"].(map[string]any)
	}
	namespace, _ := reference["namespace"].(string)
	if namespace == "" {
		namespace = usage.GetNamespace()
	}
	if o.GetNamespace() != "" && namespace != o.GetNamespace() {
		return false
	}
	return named && reference["name"] == o.GetName() || !named && reference != nil && model.Selects(usage, o, reference)
}
