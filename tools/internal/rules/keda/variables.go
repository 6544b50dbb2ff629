package keda

import (
	"maps"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Variables is rule KEDA014.
var Variables = rule.Rule{
	ID: "KEDA014", Severity: findings.Error, Title: "variable that the scaled container does not have",
	Why: "A key with the suffix FromEnv names a variable of the scaled container. KEDA reads it from the workload, and without " +
		"it the trigger has no queue.",
	Example: "queueURLFromEnv: QUEUE_URI",
	Fix:     "Name a variable of the container in envSourceContainerName, by default the first one.",
	Check:   checkTriggerVariables,
}

func checkTriggerVariables(r *rule.Pass) {
	for _, s := range r.Cluster.Scalers() {
		container, found := s.Container()
		if !found {
			checkSourceContainer(r, s)
			continue
		}
		variables, complete := r.Cluster.Environment(container)
		for i, trigger := range s.Triggers {
			for _, key := range variableKeys(r, s, trigger) {
				name, place := trigger.Metadata[key], model.At(s.Object, "spec", "triggers", i, "metadata", key)
				switch _, defined := variables[name]; {
				case !defined && complete:
					r.Report(place, "container %s of %s has no variable %s", container.Name, s.Pods.Key(), name).
						Fix(rule.DidYouMean(name, slices.Sorted(maps.Keys(variables)), "name a variable of the container"))
				case fromPod(container, name):
					r.Report(place,
						"variable %s of %s is a field of the pod, which KEDA does not read", name, s.Pods.Key()).
						Fix("name a variable with a value, or of a ConfigMap or Secret")
				}
			}
		}
	}
}

// variableKeys returns the keys of a trigger's metadata that name variables, except those
// whose value has another source.
func variableKeys(r *rule.Pass, s model.Scaler, trigger kedav1alpha1.ScaleTriggers) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(trigger.Metadata)) {
		parameter, variable := strings.CutSuffix(key, "FromEnv")
		if variable && trigger.Metadata[key] != "" && trigger.Metadata[parameter] == "" &&
			!r.Cluster.AuthenticationSupplies(s.Object, trigger.AuthenticationRef, parameter) {
			keys = append(keys, key)
		}
	}
	return keys
}

// checkSourceContainer reports a container that the pods do not have. KEDA requires it
// even if no key names a variable.
func checkSourceContainer(r *rule.Pass, s model.Scaler) {
	if s.Pods == nil || s.Source == "" {
		return
	}
	var names []string
	for _, container := range s.Pods.Template.Spec.Containers {
		names = append(names, container.Name)
	}
	field := []any{"spec", "envSourceContainerName"}
	if s.Object.GetKind() == "ScaledObject" {
		field = []any{"spec", "scaleTargetRef", "envSourceContainerName"}
	}
	r.Report(model.At(s.Object, field...), "%s has no container %s", s.Pods.Key(), s.Source).
		Fix(rule.DidYouMean(s.Source, names, "name a container of the pods"))
}

// fromPod reports whether a variable's value is a field of the pod.
func fromPod(container model.Container, name string) bool {
	return slices.ContainsFunc(container.Env, func(env corev1.EnvVar) bool {
		return env.Name == name && env.ValueFrom != nil && (env.ValueFrom.FieldRef != nil || env.ValueFrom.ResourceFieldRef != nil)
	})
}
