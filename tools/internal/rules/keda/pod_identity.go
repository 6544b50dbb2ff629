package keda

import (
	"cmp"
	"slices"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// PodIdentity is rule KEDA005.
var PodIdentity = rule.Rule{
	ID: "KEDA005", Severity: findings.Error, Title: "pod identity that contradicts itself",
	Why: "podIdentity may have a roleArn or an identityOwner, but not both, and an externalID only together with a roleArn. " +
		"With identityOwner: workload the ServiceAccount of the scaled pods needs the annotation with the role. The provider " +
		"aws-eks and the trigger's own identityOwner are deprecated.",
	Example: "podIdentity:\n  provider: aws\n  roleArn: arn:aws:iam::111122223333:role/keda\n  identityOwner: workload",
	Fix:     "Say in one place whose identity it is: https://keda.sh/docs/latest/authentication-providers/aws/",
	Check:   checkPodIdentity,
}

func checkPodIdentity(r *rule.Pass) {
	for _, kind := range []string{"TriggerAuthentication", "ClusterTriggerAuthentication"} {
		for _, o := range r.Cluster.Of(model.KEDAGroup, kind) {
			if spec, readable := model.AuthenticationSpec(o); readable && spec.PodIdentity != nil {
				checkIdentity(r, o, spec.PodIdentity)
			}
		}
	}
	for _, s := range r.Cluster.Scalers() {
		for i, trigger := range s.Triggers {
			if isAWS(trigger) && trigger.Metadata["identityOwner"] != "" {
				r.Warn(model.At(s.Object, "spec", "triggers", i, "metadata", "identityOwner"),
					"identityOwner in the trigger is deprecated").
					Fix("use a TriggerAuthentication with podIdentity")
			}
		}
	}
}

func checkIdentity(r *rule.Pass, o *render.Object, identity *kedav1alpha1.AuthPodIdentity) {
	said := func(value *string) bool { return value != nil && *value != "" }
	switch {
	case identity.Provider == kedav1alpha1.PodIdentityProviderAwsEKS:
		r.Warn(model.At(o, "spec", "podIdentity", "provider"),
			"%s uses the provider aws-eks, which is deprecated", o.Key()).
			Fix("write provider: aws")
	case identity.Provider != kedav1alpha1.PodIdentityProviderAws:
	case identity.RoleArn != nil && identity.IsWorkloadIdentityOwner():
		r.Report(model.At(o, "spec", "podIdentity", "roleArn"),
			"%s has a roleArn and takes the workload's identity: KEDA accepts only one of them", o.Key()).
			Fix("keep the roleArn or the identityOwner")
	case said(identity.ExternalID) && !said(identity.RoleArn):
		r.Report(model.At(o, "spec", "podIdentity", "externalID"), "%s has an externalID without a roleArn", o.Key()).
			Fix("add the roleArn that requires it, or remove it")
	case identity.IsWorkloadIdentityOwner():
		checkWorkloadIdentity(r, o)
	}
}

// checkWorkloadIdentity checks that the scaled pods' ServiceAccount has a role, because
// KEDA takes the role from there.
func checkWorkloadIdentity(r *rule.Pass, authentication *render.Object) {
	for _, s := range r.Cluster.Scalers() {
		uses := slices.ContainsFunc(s.Triggers, func(trigger kedav1alpha1.ScaleTriggers) bool {
			return trigger.AuthenticationRef != nil && r.Cluster.Authentication(s.Object, trigger.AuthenticationRef) == authentication
		})
		if !uses || s.Pods == nil {
			continue
		}
		name := cmp.Or(s.Pods.Template.Spec.ServiceAccountName, "default")
		account := r.Cluster.Find(s.Object, "", "ServiceAccount", s.Object.GetNamespace(), name)
		annotated := account != nil && account.GetAnnotations()[kedav1alpha1.PodIdentityAnnotationEKS] != ""
		if annotated || account == nil && !r.Cluster.Complete(model.ObjectsIn(s.Object.GetNamespace()).For(s.Object)) {
			continue
		}
		r.Report(model.At(authentication, "spec", "podIdentity", "identityOwner"),
			"%s takes the identity of %s, whose ServiceAccount %s names no role", authentication.Key(), s.Pods.Key(), name).
			Fix("annotate the ServiceAccount with " + kedav1alpha1.PodIdentityAnnotationEKS + ", or let KEDA use its own identity")
	}
}
