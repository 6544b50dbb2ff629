package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/scalers"
)

func checkTriggerKeys(r *Run) {
	for _, kind := range []string{"ScaledObject", "ScaledJob"} {
		for _, o := range r.Cluster.Of(kedaGroup, kind) {
			// The typed form does not exist when a value is no string.
			triggers, _, _ := unstructured.NestedSlice(o.Object, "spec", "triggers")
			for i, trigger := range triggers {
				if trigger, ok := trigger.(map[string]any); ok {
					r.checkTriggerType(o, i, trigger)
					r.checkTriggerMetadata(o, i, trigger)
				}
			}
		}
	}
}

func (r *Run) checkTriggerType(o *render.Object, index int, trigger map[string]any) {
	name, _ := trigger["type"].(string)
	if types := scalers.Types(); !slices.Contains(types, name) {
		r.sayOf(o, "keda "+scalers.Version())(on(o, "spec", "triggers", index, "type"), didYouMean(name, types, "name a scaler of KEDA "+scalers.Version()),
			"%q is no trigger type of KEDA %s", name, scalers.Version())
	}
}

func (r *Run) checkTriggerMetadata(o *render.Object, index int, trigger map[string]any) {
	name, _ := trigger["type"].(string)
	metadata, _ := trigger["metadata"].(map[string]any)
	keys, known := scalers.Keys(name)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		place := on(o, "spec", "triggers", index, "metadata", key)
		text, isText := metadata[key].(string)
		switch {
		case known && !scalers.Reads(keys, key):
			r.sayOf(o, "keda "+scalers.Version())(place, didYouMean(key, keys, "remove it, or see the scaler's documentation"), "trigger %s has no key %s: KEDA ignores it without a word", name, key)
		case metadata[key] != nil && !isText:
			r.report(place, "put the value in quotes", "%s is %v, which is not a string", key, metadata[key])
		case name == sqsType:
			r.checkSQSValue(place, key, strings.TrimSpace(text))
		}
	}
}

// checkSQSValue holds a value against the type that KEDA's scaler reads it as.
// An empty one is the default.
func (r *Run) checkSQSValue(place at, key, text string) {
	if text == "" {
		return
	}
	switch key {
	case "queueLength", "activationQueueLength":
		if _, err := wholeNumber(text); err != nil {
			r.report(place, "write a whole number in quotes", "%s is %q: KEDA reads a whole number", key, text)
		}
	case "scaleOnInFlight", "scaleOnDelayed":
		if _, err := strconv.ParseBool(text); err != nil {
			r.report(place, `write "true" or "false"`, "%s is %q: KEDA reads true or false", key, text)
		}
	}
}

// wholeNumber reads a number as KEDA does: as JSON.
func wholeNumber(text string) (number int64, err error) {
	err = json.Unmarshal([]byte(text), &number)
	return number, err
}

func checkTriggerVariables(r *Run) {
	for _, s := range r.scalers() {
		container, found := s.container()
		if !found {
			r.checkSourceContainer(s)
			continue
		}
		variables, complete := environment(r.Cluster, *s.pods, container)
		source := s.pods.Template.Spec.Containers[container]
		for i, trigger := range s.triggers {
			for _, key := range r.variableKeys(s, trigger) {
				name, place := trigger.Metadata[key], on(s.object, "spec", "triggers", i, "metadata", key)
				switch _, defined := variables[name]; {
				case !defined && complete:
					r.report(place, didYouMean(name, slices.Sorted(maps.Keys(variables)), "name a variable of the container"),
						"container %s of %s has no variable %s", source.Name, s.pods.Key(), name)
				case fromPod(source, name):
					r.report(place, "name a variable with a value, or of a ConfigMap or Secret",
						"variable %s of %s is a field of the pod, which KEDA does not read", name, s.pods.Key())
				}
			}
		}
	}
}

// variableKeys are the keys of a trigger's metadata that name variables, without
// those whose value comes from another place.
func (r *Run) variableKeys(s scaler, trigger kedav1alpha1.ScaleTriggers) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(trigger.Metadata)) {
		parameter, variable := strings.CutSuffix(key, "FromEnv")
		if variable && trigger.Metadata[key] != "" && trigger.Metadata[parameter] == "" &&
			!r.authenticationSupplies(s.object, trigger.AuthenticationRef, parameter) {
			keys = append(keys, key)
		}
	}
	return keys
}

// checkSourceContainer reports a container that the pods do not have. KEDA wants
// it even when no key names a variable.
func (r *Run) checkSourceContainer(s scaler) {
	if s.pods == nil || s.source == "" {
		return
	}
	var names []string
	for _, container := range s.pods.Template.Spec.Containers {
		names = append(names, container.Name)
	}
	field := []any{"spec", "envSourceContainerName"}
	if s.object.GetKind() == "ScaledObject" {
		field = []any{"spec", "scaleTargetRef", "envSourceContainerName"}
	}
	r.report(on(s.object, field...), didYouMean(s.source, names, "name a container of the pods"), "%s has no container %s", s.pods.Key(), s.source)
}

func fromPod(container corev1.Container, name string) bool {
	return slices.ContainsFunc(container.Env, func(env corev1.EnvVar) bool {
		return env.Name == name && env.ValueFrom != nil && (env.ValueFrom.FieldRef != nil || env.ValueFrom.ResourceFieldRef != nil)
	})
}
