package rules

import (
	"maps"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/keda"
	"github.com/mystique-unicorn/sales-events/tools/internal/render"
)

func checkTriggerKeys(r *Run) {
	for _, scaler := range r.scalers() {
		for i, trigger := range scaler.triggers {
			keys, known := keda.Keys(trigger.Type)
			if !known {
				if !slices.Contains(keda.Types(), trigger.Type) {
					r.report(on(scaler.object, "spec", "triggers", i, "type"), didYouMean(trigger.Type, keda.Types(), "name a scaler of KEDA "+keda.Version()),
						"%q is no trigger type of KEDA %s", trigger.Type, keda.Version())
				}
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(trigger.Metadata)) {
				if !slices.Contains(keys, key) {
					r.report(on(scaler.object, "spec", "triggers", i, "metadata", key), didYouMean(key, keys, "remove it, or see the scaler's documentation"),
						"trigger %s has no key %s: KEDA ignores it without a word", trigger.Type, key)
				}
			}
		}
	}
}

// scaler is an object with triggers.
type scaler struct {
	object   *render.Object
	triggers []kedav1alpha1.ScaleTriggers
}

func (r *Run) scalers() []scaler {
	var all []scaler
	for _, s := range r.scaledObjects() {
		all = append(all, scaler{s.object, s.Spec.Triggers})
	}
	for _, o := range r.Cluster.Of(kedaGroup, "ScaledJob") {
		var job kedav1alpha1.ScaledJob
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &job); err == nil {
			all = append(all, scaler{o, job.Spec.Triggers})
		}
	}
	return all
}

// sqsTrigger is a trigger on an SQS queue.
type sqsTrigger struct {
	scaled
	index int
	kedav1alpha1.ScaleTriggers
	url    queueURL
	hasURL bool
}

func (r *Run) sqsTriggers() []sqsTrigger {
	var all []sqsTrigger
	for _, s := range r.scaledObjects() {
		for i, trigger := range s.Spec.Triggers {
			if trigger.Type != sqsType {
				continue
			}
			t := sqsTrigger{scaled: s, index: i, ScaleTriggers: trigger}
			text := trigger.Metadata["queueURL"]
			if text == "" && s.target != nil {
				variables, _ := environment(r.Cluster, *s.target, s.container())
				text = variables[trigger.Metadata["queueURLFromEnv"]].value
			}
			t.url, t.hasURL = parseQueueURL(text)
			all = append(all, t)
		}
	}
	return all
}

func (t sqsTrigger) at(key string) at {
	return on(t.object, "spec", "triggers", t.index, "metadata", key)
}

func checkTriggerVariables(r *Run) {
	for _, s := range r.scaledObjects() {
		if s.target == nil || len(s.target.Template.Spec.Containers) == 0 {
			continue
		}
		variables, complete := environment(r.Cluster, *s.target, s.container())
		for i, trigger := range s.Spec.Triggers {
			for _, key := range slices.Sorted(maps.Keys(trigger.Metadata)) {
				name := trigger.Metadata[key]
				if _, found := variables[name]; !strings.HasSuffix(key, "FromEnv") || found || !complete {
					continue
				}
				r.report(on(s.object, "spec", "triggers", i, "metadata", key), didYouMean(name, slices.Sorted(maps.Keys(variables)), "name a variable of the container"),
					"container %s of %s has no variable %s", s.target.Template.Spec.Containers[s.container()].Name, s.target.Key(), name)
			}
		}
	}
}
