package rules

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var crossplaneRules = []Rule{
	{
		ID: "XP001", Severity: findings.Error, Title: "reference of a managed resource that matches nothing",
		Why: "A managed resource waits for ever for what it refers to, and says so only in its own conditions " +
			"(https://github.com/crossplane-contrib/provider-upjet-gcp/issues/667). In Crossplane v2 a reference stays in the " +
			"namespace, and a ProviderConfig is another kind than a ClusterProviderConfig, which is the default. What EC2 and EKS " +
			"refer to is of the same region. Judged for provider-aws; provider configurations only where the cluster declares one, " +
			"since many are made by hand.",
		Example: "providerConfigRef:\n  kind: ProviderConfig # declared is a ClusterProviderConfig\n  name: default",
		Fix:     "Name an object of the same namespace and of the kind that the field is for.",
		check:   checkManagedReferences,
	},
	{
		ID: "XP002", Severity: findings.Error, Title: "field of a composite resource that nothing reads",
		Why: "The API server takes the field, and it changes nothing: function-patch-and-transform skips a patch whose " +
			"fromFieldPath finds no value, without a word (https://github.com/crossplane-contrib/function-patch-and-transform/pull/81). " +
			"Judged where every step of every composition of the kind is that function, or function-auto-ready: what another " +
			"function reads is not known without running it.",
		Example: "# no patch has fromFieldPath: spec.retentionSeconds\nproperties:\n  retentionSeconds:\n    type: integer",
		Fix:     "Patch from it in a composition, or remove it from the schema.",
		check:   checkUnreadFields,
	},
	{
		ID: "XP003", Severity: findings.Error, Title: "composition of what is not installed",
		Why: "A pipeline step whose function is not installed stops every composite resource of the kind " +
			"(https://github.com/crossplane-contrib/function-patch-and-transform/issues/144): the name is that of the Function " +
			"object, not of its package. A composition for a kind or version that no XRD offers is never chosen " +
			"(https://docs.crossplane.io/latest/composition/compositions/).",
		Example: "pipeline:\n  - step: patch\n    functionRef:\n      name: patch-and-transform # installed as function-patch-and-transform",
		Fix:     "Name an installed Function, and the referenceable version of the XRD.",
		check:   checkCompositions,
	},
	{
		ID: "XP004", Severity: findings.Warning, Title: "queue or bucket that goes with its manifest",
		Why: "Deleting a managed resource deletes what it manages: a renamed file or a prune is enough, and the messages of a " +
			"queue, also of a dead-letter queue, are gone (https://github.com/crossplane/crossplane/issues/6694). S3 itself " +
			"refuses to delete a bucket that holds objects, unless forceDestroy empties it first.",
		Example: "kind: Queue\nspec:\n  managementPolicies: [\"*\"] # the default",
		Fix:     "Leave Delete out of managementPolicies (in v1: deletionPolicy: Orphan), or protect it with a Usage.",
		check:   checkDeletion,
	},
	{
		ID: "XP005", Severity: findings.Error, Title: "composite resource that its function refuses",
		Why: "A fatal result of a composition function stops the composite resource: Crossplane changes nothing and tries again " +
			"for ever (https://docs.crossplane.io/latest/guides/write-a-composition-function-in-go/). Judged where the functions of the " +
			"pipeline run in process.",
		Example: "kind: EventQueue\nmetadata:\n  name: orders-dlq # the name of another queue's dead-letter queue",
		Fix:     "Correct the field that the function's message names.",
		check:   checkComposed,
	},
}

func checkComposed(r *Run) {
	for _, failure := range r.Cluster.Failures(render.CompositionFailed) {
		r.reportAt(failure.Subject, failure.At, failure.Fix, "%s", failure.Message)
	}
}
