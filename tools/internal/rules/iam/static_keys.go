package iam

import (
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// StaticKeys is rule IRSA005.
var StaticKeys = rule.Rule{
	ID: "IRSA005", Severity: findings.Error, Title: "static AWS keys",
	Why: "A key in an environment variable or a Secret never expires, and works from everywhere once it has leaked. A role's " +
		"credentials belong to the pod alone and last for hours " +
		"(https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#bp-workloads-use-roles). A program that calls " +
		"another endpoint than AWS's may have keys.",
	Example: "env:\n  - name: AWS_SECRET_ACCESS_KEY\n    value: wJalrXUtnFEMI",
	Fix:     "Remove the key; give the ServiceAccount a role, and the TriggerAuthentication podIdentity.",
	Check:   checkStaticKeys,
}

var (
	keyVariables  = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
	keyParameters = []string{"awsAccessKeyID", "awsAccessKeyId", "awsSecretAccessKey"}
)

func checkStaticKeys(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		checkKeyVariables(r, w)
	}
	for _, kind := range []string{"Secret", "ConfigMap"} {
		for _, o := range r.Cluster.Of("", kind) {
			checkKeyData(r, o)
		}
	}
	for _, kind := range []string{"TriggerAuthentication", "ClusterTriggerAuthentication"} {
		for _, o := range r.Cluster.Of(model.KEDAGroup, kind) {
			checkKeyParameters(r, o)
		}
	}
}

func checkKeyVariables(r *rule.Pass, w model.Workload) {
	for _, c := range w.Containers() {
		for i, variable := range c.Env {
			static := variable.Value != "" || variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil
			if static && slices.Contains(keyVariables, variable.Name) && !r.Cluster.IsLocal(w.Object) && !hasOwnEndpoint(r, c) {
				r.Report(c.At("env", i), "container %s of %s has a static %s", c.Name, w.Key(), variable.Name).
					Fix("remove it; give the ServiceAccount a role")
			}
		}
	}
}

// hasOwnEndpoint reports whether a container uses another endpoint than AWS's, set in
// AWS's variable or, as many programs do, in one of its own.
func hasOwnEndpoint(r *rule.Pass, c model.Container) bool {
	variables, _ := r.Cluster.Environment(c)
	for name, v := range variables {
		if strings.Contains(name, "ENDPOINT") && isForeign(v.Value) {
			return true
		}
	}
	return false
}

var amazon = regexp.MustCompile(`(?:^|\.)(?:amazonaws\.com(?:\.cn)?|api\.aws)$`)

func isForeign(endpoint string) bool {
	if endpoint == "" {
		return false
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "//" + endpoint
	}
	parsed, err := url.Parse(endpoint)
	return err == nil && parsed.Hostname() != "" && !amazon.MatchString(parsed.Hostname())
}

// accessKey matches the id of an AWS access key.
var accessKey = regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`)

func checkKeyData(r *rule.Pass, o *render.Object) {
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(o.Object, field)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			content, _ := values[key].(string)
			if plain, err := base64.StdEncoding.DecodeString(content); o.GetKind() == "Secret" && field == "data" && err == nil {
				content = string(plain)
			}
			named := slices.Contains(keyVariables, strings.ToUpper(key))
			if accessKey.MatchString(content) && !r.Cluster.IsLocal(o) || named && content != "" && !isForOthers(r, o) {
				r.Report(model.At(o, field, key), "%s holds a static AWS key under %s", o.Key(), key).
					Fix("remove it; give the ServiceAccount that needs it a role")
			}
		}
	}
}

// isForOthers reports whether an object's keys are not for AWS: all its users say so, and
// there is at least one.
func isForOthers(r *rule.Pass, o *render.Object) bool {
	if r.Cluster.IsLocal(o) {
		return true
	}
	used := false
	for _, w := range r.Cluster.Workloads() {
		for _, c := range w.Containers() {
			if model.Target(w.Object) != model.Target(o) || w.GetNamespace() != o.GetNamespace() || !takes(c, o) {
				continue
			}
			if !hasOwnEndpoint(r, c) {
				return false
			}
			used = true
		}
	}
	return used || !r.Cluster.Complete(model.ObjectsIn(o.GetNamespace()).For(o))
}

// takes reports whether a container gets variables from a ConfigMap or Secret.
func takes(container model.Container, o *render.Object) bool {
	secret := o.GetKind() == "Secret"
	return slices.ContainsFunc(container.EnvFrom, func(from corev1.EnvFromSource) bool {
		return secret && from.SecretRef != nil && from.SecretRef.Name == o.GetName() ||
			!secret && from.ConfigMapRef != nil && from.ConfigMapRef.Name == o.GetName()
	}) || slices.ContainsFunc(container.Env, func(variable corev1.EnvVar) bool {
		from := variable.ValueFrom
		return from != nil && (secret && from.SecretKeyRef != nil && from.SecretKeyRef.Name == o.GetName() ||
			!secret && from.ConfigMapKeyRef != nil && from.ConfigMapKeyRef.Name == o.GetName())
	})
}

func checkKeyParameters(r *rule.Pass, o *render.Object) {
	references, _, _ := unstructured.NestedSlice(o.Object, "spec", "secretTargetRef")
	for i, entry := range references {
		reference, _ := entry.(map[string]any)
		parameter, _ := reference["parameter"].(string)
		if slices.Contains(keyParameters, parameter) && !r.Cluster.IsLocal(o) && !scalesOnOthers(r, o) {
			r.Report(model.At(o, "spec", "secretTargetRef", i, "parameter"),
				"%s gives KEDA a static %s", o.Key(), parameter).
				Fix("use podIdentity with provider: aws")
		}
	}
}

// scalesOnOthers reports whether none of a TriggerAuthentication's triggers uses AWS.
func scalesOnOthers(r *rule.Pass, o *render.Object) bool {
	used := false
	for _, scaler := range r.Cluster.Scalers() {
		for _, trigger := range scaler.Triggers {
			if trigger.AuthenticationRef == nil || r.Cluster.Authentication(scaler.Object, trigger.AuthenticationRef) != o {
				continue
			}
			if !isForeign(trigger.Metadata["awsEndpoint"]) {
				return false
			}
			used = true
		}
	}
	return used
}
