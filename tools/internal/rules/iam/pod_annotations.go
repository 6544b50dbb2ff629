package iam

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// PodAnnotations is rule IRSA007.
var PodAnnotations = rule.Rule{
	ID: "IRSA007", Severity: findings.Error, Title: "role on a pod instead of its ServiceAccount",
	Why: "EKS's webhook reads the annotation with the role from the ServiceAccount alone " +
		"(https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough). On a pod, or on its Deployment, the " +
		"annotation does nothing, and the program acts as the node.",
	Example: "kind: Deployment\nspec:\n  template:\n    metadata:\n      annotations:\n" +
		"        eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/consumer",
	Fix:   "Annotate the ServiceAccount of the pods.",
	Check: checkPodAnnotations,
}

func checkPodAnnotations(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		place := w.TemplateAt("metadata", "annotations", roleAnnotation)
		if w.Template.Annotations[roleAnnotation] == "" {
			if place = model.At(w.Object, "metadata", "annotations", roleAnnotation); w.GetAnnotations()[roleAnnotation] == "" {
				continue
			}
		}
		r.Report(place, "%s names a role in its annotations, which EKS reads from ServiceAccounts alone", w.Key()).
			Fix("annotate the ServiceAccount of the pods")
	}
}
