package rules

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
)

var (
	keyVariables  = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
	keyParameters = []string{"awsAccessKeyID", "awsAccessKeyId", "awsSecretAccessKey"}
)

func checkStaticKeys(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		r.checkKeyVariables(w)
	}
	for _, kind := range []string{"Secret", "ConfigMap"} {
		for _, o := range r.Cluster.Of("", kind) {
			r.checkKeyData(o)
		}
	}
	for _, kind := range []string{"TriggerAuthentication", "ClusterTriggerAuthentication"} {
		for _, o := range r.Cluster.Of(kedaGroup, kind) {
			r.checkKeyParameters(o)
		}
	}
}

func (r *Run) checkKeyVariables(w model.Workload) {
	r.checkKeysOf(w, "initContainers", w.Template.Spec.InitContainers)
	r.checkKeysOf(w, "containers", w.Template.Spec.Containers)
}

func (r *Run) checkKeysOf(w model.Workload, list string, containers []corev1.Container) {
	for i, container := range containers {
		for j, variable := range container.Env {
			static := variable.Value != "" || variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil
			if static && slices.Contains(keyVariables, variable.Name) && !r.isLocal(w.Object) && !r.hasOwnEndpoint(w, container) {
				r.report(on(w.Object, w.Field(list, i, "env", j)...), "remove it; give the ServiceAccount a role",
					"container %s of %s has a static %s", container.Name, w.Key(), variable.Name)
			}
		}
	}
}

// isLocal tells whether an object is where the local AWS server is.
func (r *Run) isLocal(o *render.Object) bool {
	return slices.ContainsFunc(queuesOf(r.Cluster), func(q queue) bool {
		return q.object.GetKind() == "ConfigMap" && model.Target(q.object) == model.Target(o)
	})
}

// hasOwnEndpoint tells whether a container talks to something else than AWS,
// under AWS's variable or, as many programs do, one of its own.
func (r *Run) hasOwnEndpoint(w model.Workload, container corev1.Container) bool {
	variables, _ := containerVariables(r.Cluster, w, container)
	for name, v := range variables {
		if strings.Contains(name, "ENDPOINT") && isForeign(v.value) {
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

// accessKey is the form of an AWS access key's id.
var accessKey = regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`)

func (r *Run) checkKeyData(o *render.Object) {
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(o.Object, field)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			content, _ := values[key].(string)
			if plain, err := base64.StdEncoding.DecodeString(content); o.GetKind() == "Secret" && field == "data" && err == nil {
				content = string(plain)
			}
			named := slices.Contains(keyVariables, strings.ToUpper(key))
			if accessKey.MatchString(content) && !r.isLocal(o) || named && content != "" && !r.isForOthers(o) {
				r.report(on(o, field, key), "remove it; give the ServiceAccount that needs it a role", "%s holds a static AWS key under %s", o.Key(), key)
			}
		}
	}
}

// isForOthers tells whether an object holds keys for something else than AWS:
// everything that takes them says so, and there is something that does.
func (r *Run) isForOthers(o *render.Object) bool {
	if r.isLocal(o) {
		return true
	}
	used := false
	for _, w := range r.Cluster.Workloads() {
		for _, container := range slices.Concat(w.Template.Spec.Containers, w.Template.Spec.InitContainers) {
			if model.Target(w.Object) != model.Target(o) || w.GetNamespace() != o.GetNamespace() || !takes(container, o) {
				continue
			}
			if !r.hasOwnEndpoint(w, container) {
				return false
			}
			used = true
		}
	}
	return used || r.elsewhere()
}

func takes(container corev1.Container, o *render.Object) bool {
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

func (r *Run) checkKeyParameters(o *render.Object) {
	references, _, _ := unstructured.NestedSlice(o.Object, "spec", "secretTargetRef")
	for i, entry := range references {
		reference, _ := entry.(map[string]any)
		if parameter, _ := reference["parameter"].(string); slices.Contains(keyParameters, parameter) && !r.isLocal(o) && !r.scalesOnOthers(o) {
			r.report(on(o, "spec", "secretTargetRef", i, "parameter"), "use podIdentity with provider: aws", "%s gives KEDA a static %s", o.Key(), parameter)
		}
	}
}

// scalesOnOthers tells whether the triggers of a TriggerAuthentication all ask
// something else than AWS.
func (r *Run) scalesOnOthers(o *render.Object) bool {
	used := false
	for _, scaler := range r.scalers() {
		for _, trigger := range scaler.triggers {
			if trigger.AuthenticationRef == nil || r.authentication(scaler.object, trigger.AuthenticationRef) != o {
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
