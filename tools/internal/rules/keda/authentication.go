package keda

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Authentication is rule KEDA004.
var Authentication = rule.Rule{
	ID: "KEDA004", Severity: findings.Error, Title: "AWS trigger without an identity",
	Why: "An AWS trigger authenticates through the TriggerAuthentication that it names, or as the operator if the trigger says " +
		"so. With neither, or with a reference to something that does not exist, KEDA logs an error and does not scale.",
	Example: "authenticationRef:\n  name: consumer-queu",
	Fix:     "Name a TriggerAuthentication in the same namespace, or a ClusterTriggerAuthentication with its kind.",
	Check:   checkAuthentication,
}

func checkAuthentication(r *rule.Pass) {
	for _, s := range r.Cluster.Scalers() {
		for i, trigger := range s.Triggers {
			if reference := trigger.AuthenticationRef; reference != nil && reference.Name != "" {
				checkAuthenticationReference(r, s, i, trigger)
			} else if isAWS(trigger) && !namesIdentity(trigger) {
				r.Report(model.At(s.Object, "spec", "triggers", i),
					"trigger %s of %s has no identity: KEDA cannot call AWS", trigger.Type, s.Object.Key()).
					Fix("add authenticationRef with the name of a TriggerAuthentication")
			}
		}
	}
}

func checkAuthenticationReference(r *rule.Pass, s model.Scaler, index int, trigger kedav1alpha1.ScaleTriggers) {
	reference := trigger.AuthenticationRef
	place := model.At(s.Object, "spec", "triggers", index, "authenticationRef", "name")
	object := r.Cluster.Authentication(s.Object, reference)
	if object == nil {
		scope := model.ObjectsIn(s.Object.GetNamespace())
		if model.AuthenticationKind(reference) != "TriggerAuthentication" {
			scope = model.ClusterScoped(model.KEDAGroup)
		}
		if r.Cluster.Complete(scope.For(s.Object)) {
			r.Report(place,
				"%s names %s %s, which does not exist: KEDA only logs that", s.Object.Key(), model.AuthenticationKind(reference), reference.Name).
				Fix(suggestAuthentication(r, s.Object, reference))
		}
		return
	}
	spec, readable := model.AuthenticationSpec(object)
	if isAWS(trigger) && readable && !namesIdentity(trigger) && !identifies(spec) {
		fix := "give it podIdentity with provider aws, or a parameter awsAccessKeyID and a parameter awsSecretAccessKey"
		if misspelt, meant := misspeltParameter(object); meant != "" {
			place, fix = misspelt, "did you mean "+meant+"?"
		}
		r.Report(place, "%s has neither a pod identity of AWS nor a pair of keys: KEDA cannot call AWS", object.Key()).
			Fix(fix)
	}
}

// awsParameters are the identity parameters that AWS's scalers read from an
// authentication.
var awsParameters = []string{"awsRoleArn", "awsAccessKeyID", "awsAccessKeyId", "awsSecretAccessKey", "awsSessionToken"}

// misspeltParameter returns the field of an authentication's first parameter that
// resembles one of AWS's, and the one that is meant; empty if there is none.
func misspeltParameter(authentication *render.Object) (place model.Field, meant string) {
	for _, list := range []string{"secretTargetRef", "configMapTargetRef", "env"} {
		entries, _, _ := unstructured.NestedSlice(authentication.Object, "spec", list)
		for i, entry := range entries {
			reference, _ := entry.(map[string]any)
			parameter, _ := reference["parameter"].(string)
			if meant := spelling.Nearest(parameter, awsParameters); meant != "" && !slices.Contains(awsParameters, parameter) {
				return model.At(authentication, "spec", list, i, "parameter"), meant
			}
		}
	}
	return model.Field{}, ""
}

func isAWS(trigger kedav1alpha1.ScaleTriggers) bool { return strings.HasPrefix(trigger.Type, "aws-") }

// namesIdentity reports whether an AWS trigger works without a TriggerAuthentication:
// KEDA uses its own identity, or keys of the scaled container.
func namesIdentity(trigger kedav1alpha1.ScaleTriggers) bool {
	if owner := trigger.Metadata["identityOwner"]; owner != "" && owner != "pod" {
		return true
	}
	id := cmp.Or(trigger.Metadata["awsAccessKeyID"], trigger.Metadata["awsAccessKeyIDFromEnv"])
	return id != "" && trigger.Metadata["awsSecretAccessKeyFromEnv"] != ""
}

// identifies reports whether an authentication may supply an identity for AWS.
func identifies(spec kedav1alpha1.TriggerAuthenticationSpec) bool {
	aws := []kedav1alpha1.PodIdentityProvider{kedav1alpha1.PodIdentityProviderAws, kedav1alpha1.PodIdentityProviderAwsEKS}
	if spec.PodIdentity != nil && slices.Contains(aws, spec.PodIdentity.Provider) {
		return true
	}
	id := model.Supplies(spec, "awsAccessKeyID") || model.Supplies(spec, "awsAccessKeyId")
	return model.Supplies(spec, "awsRoleArn") || id && model.Supplies(spec, "awsSecretAccessKey")
}

func suggestAuthentication(r *rule.Pass, from *render.Object, reference *kedav1alpha1.AuthenticationRef) string {
	var names []string
	for _, o := range r.Cluster.Of(model.KEDAGroup, "TriggerAuthentication") {
		if o.GetNamespace() == from.GetNamespace() {
			names = append(names, o.GetName())
		} else if o.GetName() == reference.Name {
			return fmt.Sprintf("it is in namespace %s: move it beside the ScaledObject, or make it a ClusterTriggerAuthentication", o.GetNamespace())
		}
	}
	for _, o := range r.Cluster.Of(model.KEDAGroup, "ClusterTriggerAuthentication") {
		if o.GetName() == reference.Name {
			return "it is a ClusterTriggerAuthentication: set kind"
		}
	}
	return rule.DidYouMean(reference.Name, names, "create the TriggerAuthentication in namespace "+from.GetNamespace())
}
