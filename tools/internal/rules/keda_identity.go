package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

func checkAuthentication(r *Run) {
	for _, s := range r.scalers() {
		for i, trigger := range s.triggers {
			if reference := trigger.AuthenticationRef; reference != nil && reference.Name != "" {
				r.checkAuthenticationReference(s, i, trigger)
			} else if isAWS(trigger) && !namesIdentity(trigger) {
				r.report(on(s.object, "spec", "triggers", i), "add authenticationRef with the name of a TriggerAuthentication",
					"trigger %s of %s says nothing of its identity: KEDA cannot ask AWS", trigger.Type, s.object.Key())
			}
		}
	}
}

func (r *Run) checkAuthenticationReference(s scaler, index int, trigger kedav1alpha1.ScaleTriggers) {
	reference := trigger.AuthenticationRef
	place := on(s.object, "spec", "triggers", index, "authenticationRef", "name")
	object := r.authentication(s.object, reference)
	if object == nil {
		if !r.elsewhere() {
			r.report(place, r.suggestAuthentication(s.object, reference),
				"%s names %s %s, which does not exist: KEDA only logs that", s.object.Key(), authenticationKind(reference), reference.Name)
		}
		return
	}
	spec, readable := authenticationSpec(object)
	if isAWS(trigger) && readable && !namesIdentity(trigger) && !identifies(spec) {
		fix := "give it podIdentity with provider aws, or a parameter awsAccessKeyID and a parameter awsSecretAccessKey"
		if misspelt, meant := misspeltParameter(object); meant != "" {
			place, fix = misspelt, "did you mean "+meant+"?"
		}
		r.report(place, fix, "%s has neither a pod identity of AWS nor a pair of keys: KEDA cannot ask AWS", object.Key())
	}
}

// awsParameters are what an authentication can tell AWS's scalers of identity.
var awsParameters = []string{"awsRoleArn", "awsAccessKeyID", "awsAccessKeyId", "awsSecretAccessKey", "awsSessionToken"}

// misspeltParameter is the place of an authentication's first parameter that
// looks like one of AWS's, and that one; empty if there is none.
func misspeltParameter(authentication *render.Object) (place at, meant string) {
	for _, list := range []string{"secretTargetRef", "configMapTargetRef", "env"} {
		entries, _, _ := unstructured.NestedSlice(authentication.Object, "spec", list)
		for i, entry := range entries {
			reference, _ := entry.(map[string]any)
			parameter, _ := reference["parameter"].(string)
			if meant := spelling.Nearest(parameter, awsParameters); meant != "" && !slices.Contains(awsParameters, parameter) {
				return on(authentication, "spec", list, i, "parameter"), meant
			}
		}
	}
	return at{}, ""
}

func isAWS(trigger kedav1alpha1.ScaleTriggers) bool { return strings.HasPrefix(trigger.Type, "aws-") }

// namesIdentity tells whether an AWS trigger does without TriggerAuthentication:
// KEDA asks as itself, or with keys of the scaled container.
func namesIdentity(trigger kedav1alpha1.ScaleTriggers) bool {
	if owner := trigger.Metadata["identityOwner"]; owner != "" && owner != "pod" {
		return true
	}
	return cmp.Or(trigger.Metadata["awsAccessKeyID"], trigger.Metadata["awsAccessKeyIDFromEnv"]) != "" && trigger.Metadata["awsSecretAccessKeyFromEnv"] != ""
}

// identifies tells whether an authentication may be of use to AWS.
func identifies(spec kedav1alpha1.TriggerAuthenticationSpec) bool {
	if identity := spec.PodIdentity; identity != nil &&
		(identity.Provider == kedav1alpha1.PodIdentityProviderAws || identity.Provider == kedav1alpha1.PodIdentityProviderAwsEKS) {
		return true
	}
	return supplies(spec, "awsRoleArn") || supplies(spec, "awsSecretAccessKey") && (supplies(spec, "awsAccessKeyID") || supplies(spec, "awsAccessKeyId"))
}

// supplies tells whether an authentication has a parameter, or takes parameters
// from where they cannot be seen.
func supplies(spec kedav1alpha1.TriggerAuthenticationSpec, parameter string) bool {
	if spec.FilePath != "" || spec.HashiCorpVault != nil || spec.AzureKeyVault != nil || spec.GCPSecretManager != nil || spec.AwsSecretManager != nil {
		return true
	}
	return slices.ContainsFunc(spec.Env, func(env kedav1alpha1.AuthEnvironment) bool { return env.Parameter == parameter }) ||
		slices.ContainsFunc(spec.ConfigMapTargetRef, func(ref kedav1alpha1.AuthConfigMapTargetRef) bool { return ref.Parameter == parameter }) ||
		slices.ContainsFunc(spec.SecretTargetRef, func(ref kedav1alpha1.AuthSecretTargetRef) bool { return ref.Parameter == parameter })
}

// authenticationSupplies tells whether a trigger may have a parameter from its
// authentication; one that cannot be read may supply anything.
func (r *Run) authenticationSupplies(from *render.Object, reference *kedav1alpha1.AuthenticationRef, parameter string) bool {
	if reference == nil {
		return false
	}
	object := r.authentication(from, reference)
	if object == nil {
		return true
	}
	spec, readable := authenticationSpec(object)
	return !readable || supplies(spec, parameter)
}

// authenticationSpec reads a TriggerAuthentication or its cluster-wide kind,
// which have the same specification.
func authenticationSpec(o *render.Object) (kedav1alpha1.TriggerAuthenticationSpec, bool) {
	var authentication kedav1alpha1.TriggerAuthentication
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &authentication)
	return authentication.Spec, err == nil
}

func authenticationKind(reference *kedav1alpha1.AuthenticationRef) string {
	return cmp.Or(reference.Kind, "TriggerAuthentication")
}

// authentication is what a trigger's authenticationRef names, or nil.
func (r *Run) authentication(from *render.Object, reference *kedav1alpha1.AuthenticationRef) *render.Object {
	namespace := from.GetNamespace()
	if authenticationKind(reference) == "ClusterTriggerAuthentication" {
		namespace = ""
	}
	return r.Cluster.Find(from, kedaGroup, authenticationKind(reference), namespace, reference.Name)
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
			if spec, readable := authenticationSpec(o); readable && spec.PodIdentity != nil {
				r.checkIdentity(o, spec.PodIdentity)
			}
		}
	}
	for _, s := range r.scalers() {
		for i, trigger := range s.triggers {
			if isAWS(trigger) && trigger.Metadata["identityOwner"] != "" {
				r.warn(on(s.object, "spec", "triggers", i, "metadata", "identityOwner"), "use a TriggerAuthentication with podIdentity", "identityOwner in the trigger is deprecated")
			}
		}
	}
}

func (r *Run) checkIdentity(o *render.Object, identity *kedav1alpha1.AuthPodIdentity) {
	said := func(value *string) bool { return value != nil && *value != "" }
	switch {
	case identity.Provider == kedav1alpha1.PodIdentityProviderAwsEKS:
		r.warn(on(o, "spec", "podIdentity", "provider"), "write provider: aws", "%s uses the provider aws-eks, which is deprecated", o.Key())
	case identity.Provider != kedav1alpha1.PodIdentityProviderAws:
	case identity.RoleArn != nil && identity.IsWorkloadIdentityOwner():
		r.report(on(o, "spec", "podIdentity", "roleArn"), "keep the roleArn or the identityOwner", "%s has a roleArn and takes the workload's identity: KEDA refuses both", o.Key())
	case said(identity.ExternalID) && !said(identity.RoleArn):
		r.report(on(o, "spec", "podIdentity", "externalID"), "add the roleArn that asks for it, or remove it", "%s has an externalID without a roleArn", o.Key())
	case identity.IsWorkloadIdentityOwner():
		r.checkWorkloadIdentity(o)
	}
}

// checkWorkloadIdentity: KEDA takes the role from the ServiceAccount of the
// scaled pods.
func (r *Run) checkWorkloadIdentity(authentication *render.Object) {
	for _, s := range r.scalers() {
		uses := slices.ContainsFunc(s.triggers, func(trigger kedav1alpha1.ScaleTriggers) bool {
			return trigger.AuthenticationRef != nil && r.authentication(s.object, trigger.AuthenticationRef) == authentication
		})
		if !uses || s.pods == nil {
			continue
		}
		name := cmp.Or(s.pods.Template.Spec.ServiceAccountName, "default")
		account := r.Cluster.Find(s.object, "", "ServiceAccount", s.object.GetNamespace(), name)
		if account == nil && r.elsewhere() || account != nil && account.GetAnnotations()[kedav1alpha1.PodIdentityAnnotationEKS] != "" {
			continue
		}
		r.report(on(authentication, "spec", "podIdentity", "identityOwner"), "annotate the ServiceAccount with "+kedav1alpha1.PodIdentityAnnotationEKS+", or let KEDA use its own identity",
			"%s takes the identity of %s, whose ServiceAccount %s names no role", authentication.Key(), s.pods.Key(), name)
	}
}
