package keda

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/scalers"
)

// TriggerKeys is rule KEDA003.
var TriggerKeys = rule.Rule{
	ID: "KEDA003", Severity: findings.Error, Title: "trigger metadata that KEDA ignores or cannot read",
	Why: "KEDA reads the keys that it knows and silently ignores others (https://github.com/kedacore/keda/issues/6721): with a " +
		"misspelt queueLength it scales on the default of 5. Every value must be a string, even a number.",
	Example: "metadata:\n  queueLenght: \"50\"",
	Fix:     "Write a key of the scaler, and its value in quotes: https://keda.sh/docs/latest/scalers/",
	Check:   checkTriggerKeys,
}

func checkTriggerKeys(r *rule.Pass) {
	for _, kind := range []string{"ScaledObject", "ScaledJob"} {
		for _, o := range r.Cluster.Of(model.KEDAGroup, kind) {
			// A value that is not a string cannot be decoded into the Go type.
			triggers, _, _ := unstructured.NestedSlice(o.Object, "spec", "triggers")
			for i, trigger := range triggers {
				if trigger, ok := trigger.(map[string]any); ok {
					checkTriggerType(r, o, i, trigger)
					checkTriggerMetadata(r, o, i, trigger)
				}
			}
		}
	}
}

func checkTriggerType(r *rule.Pass, o *render.Object, index int, trigger map[string]any) {
	name, _ := trigger["type"].(string)
	if types := scalers.Types(); !slices.Contains(types, name) {
		severity, note := r.Pinned(o, "keda "+scalers.Version())
		r.ReportAs(severity, model.At(o, "spec", "triggers", index, "type"), "%q is no trigger type of KEDA %s%s", name, scalers.Version(), note).
			Fix(rule.DidYouMean(name, types, "name a scaler of KEDA "+scalers.Version()))
	}
}

func checkTriggerMetadata(r *rule.Pass, o *render.Object, index int, trigger map[string]any) {
	name, _ := trigger["type"].(string)
	metadata, _ := trigger["metadata"].(map[string]any)
	keys, known := scalers.Keys(name)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		place := model.At(o, "spec", "triggers", index, "metadata", key)
		text, isText := metadata[key].(string)
		switch {
		case known && !scalers.Reads(keys, key):
			severity, note := r.Pinned(o, "keda "+scalers.Version())
			r.ReportAs(severity, place, "trigger %s has no key %s: KEDA ignores it without a word%s", name, key, note).
				Fix(rule.DidYouMean(key, keys, "remove it, or see the scaler's documentation"))
		case metadata[key] != nil && !isText:
			r.Report(place, "%s is %v, which is not a string", key, metadata[key]).Fix("put the value in quotes")
		case name == model.SQSType:
			checkSQSValue(r, place, key, strings.TrimSpace(text))
		}
	}
}

// checkSQSValue checks that a value has the type that KEDA's scaler needs. An empty value
// means the default.
func checkSQSValue(r *rule.Pass, place model.Field, key, text string) {
	if text == "" {
		return
	}
	switch key {
	case "queueLength", "activationQueueLength":
		if _, err := model.WholeNumber(text); err != nil {
			r.Report(place, "%s is %q: KEDA reads a whole number", key, text).Fix("write a whole number in quotes")
		}
	case "scaleOnInFlight", "scaleOnDelayed":
		if _, err := strconv.ParseBool(text); err != nil {
			r.Report(place, "%s is %q: KEDA reads true or false", key, text).Fix(`write "true" or "false"`)
		}
	}
}
