package rules

import (
	"fmt"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/render"
)

func checkAuthentication(r *Run) {
	for _, scaler := range r.scalers() {
		for i, trigger := range scaler.triggers {
			reference := trigger.AuthenticationRef
			place := on(scaler.object, "spec", "triggers", i)
			switch {
			case reference != nil:
				if _, found := r.authentication(scaler.object, reference); !found && !r.elsewhere() {
					r.report(on(scaler.object, "spec", "triggers", i, "authenticationRef", "name"), r.suggestAuthentication(scaler.object, reference),
						"%s names %s %s, which does not exist: KEDA only logs that", scaler.object.Key(), authenticationKind(reference), reference.Name)
				}
			case !strings.HasPrefix(trigger.Type, "aws-") || trigger.Metadata["identityOwner"] == "operator":
			case trigger.Metadata["awsAccessKeyIDFromEnv"] != "" || trigger.Metadata["awsAccessKeyID"] != "":
			default:
				r.report(place, "add authenticationRef with the name of a TriggerAuthentication", "trigger %s of %s says nothing of its identity: KEDA cannot ask AWS", trigger.Type, scaler.object.Key())
			}
		}
	}
}

func authenticationKind(reference *kedav1alpha1.AuthenticationRef) string {
	if reference.Kind == "" {
		return "TriggerAuthentication"
	}
	return reference.Kind
}

func (r *Run) authentication(from *render.Object, reference *kedav1alpha1.AuthenticationRef) (*render.Object, bool) {
	namespace := from.GetNamespace()
	if authenticationKind(reference) == "ClusterTriggerAuthentication" {
		namespace = ""
	}
	object := r.Cluster.Find(from, kedaGroup, authenticationKind(reference), namespace, reference.Name)
	return object, object != nil
}

func (r *Run) suggestAuthentication(from *render.Object, reference *kedav1alpha1.AuthenticationRef) string {
	var names []string
	for _, o := range r.Cluster.Of(kedaGroup, "TriggerAuthentication") {
		if o.GetNamespace() == from.GetNamespace() {
			names = append(names, o.GetName())
		} else if o.GetName() == reference.Name {
			return fmt.Sprintf("it is in namespace %s: move it beside the ScaledObject, or make it a ClusterTriggerAuthentication", o.GetNamespace())
		}
	}
	for _, o := range r.Cluster.Of(kedaGroup, "ClusterTriggerAuthentication") {
		if o.GetName() == reference.Name {
			return "it is a ClusterTriggerAuthentication: set kind"
		}
	}
	return didYouMean(reference.Name, names, "create the TriggerAuthentication in namespace "+from.GetNamespace())
}

func checkPodIdentity(r *Run) {
	for _, kind := range []string{"TriggerAuthentication", "ClusterTriggerAuthentication"} {
		for _, o := range r.Cluster.Of(kedaGroup, kind) {
			var authentication kedav1alpha1.TriggerAuthentication
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &authentication); err != nil || authentication.Spec.PodIdentity == nil {
				continue
			}
			identity := authentication.Spec.PodIdentity
			has := func(value *string) bool { return value != nil && *value != "" }
			place := on(o, "spec", "podIdentity")
			switch {
			case identity.Provider == kedav1alpha1.PodIdentityProviderAwsEKS:
				r.warn(on(o, "spec", "podIdentity", "provider"), "write provider: aws", "%s uses the provider aws-eks, which is deprecated", o.Key())
			case identity.Provider != kedav1alpha1.PodIdentityProviderAws:
			case has(identity.RoleArn) && has(identity.IdentityOwner) && *identity.IdentityOwner == "workload":
				r.report(on(o, "spec", "podIdentity", "roleArn"), "keep the roleArn or the identityOwner", "%s has a roleArn and takes the workload's identity: KEDA refuses both", o.Key())
			case has(identity.ExternalID) && !has(identity.RoleArn):
				r.report(on(o, "spec", "podIdentity", "externalID"), "add the roleArn that asks for it, or remove it", "%s has an externalID without a roleArn", o.Key())
			case identity.IsWorkloadIdentityOwner():
				r.checkWorkloadIdentity(o, place)
			}
		}
	}
	for _, scaler := range r.scalers() {
		for i, trigger := range scaler.triggers {
			if owner := trigger.Metadata["identityOwner"]; owner != "" && strings.HasPrefix(trigger.Type, "aws-") {
				r.warn(on(scaler.object, "spec", "triggers", i, "metadata", "identityOwner"), "use a TriggerAuthentication with podIdentity", "identityOwner in the trigger is deprecated")
			}
		}
	}
}

// checkWorkloadIdentity: KEDA takes the role from the ServiceAccount of the
// scaled pods.
func (r *Run) checkWorkloadIdentity(authentication *render.Object, place at) {
	for _, s := range r.scaledObjects() {
		for _, trigger := range s.Spec.Triggers {
			if trigger.AuthenticationRef == nil || s.target == nil {
				continue
			}
			if object, _ := r.authentication(s.object, trigger.AuthenticationRef); object != authentication {
				continue
			}
			account := r.Cluster.Find(s.object, "", "ServiceAccount", s.Namespace, s.target.Template.Spec.ServiceAccountName)
			if account == nil || account.GetAnnotations()["eks.amazonaws.com/role-arn"] == "" {
				r.report(place, "annotate the ServiceAccount with eks.amazonaws.com/role-arn, or let KEDA use its own identity",
					"%s takes the identity of %s, whose ServiceAccount %q names no role", authentication.Key(), s.target.Key(), s.target.Template.Spec.ServiceAccountName)
			}
		}
	}
}
