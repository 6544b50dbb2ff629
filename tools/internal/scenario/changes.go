package scenario

import (
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// Change is a setting that differs between two scenarios.
type Change struct {
	Setting string `json:"setting"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

// Changes returns the differences between two scenarios in the settings that affect
// scaling.
func Changes(before, after Scenario) []Change {
	var changes []Change
	names, b := settingsOf(before)
	_, a := settingsOf(after)
	for _, name := range names {
		if a[name] != b[name] {
			changes = append(changes, Change{name, b[name], a[name]})
		}
	}
	return changes
}

// settingsOf returns the settings, in an order for reading.
func settingsOf(s Scenario) (names []string, values map[string]string) {
	values = map[string]string{}
	set := func(name string, value any) {
		names = append(names, name)
		values[name] = fmt.Sprint(value)
	}
	so := s.ScaledObject.Spec
	optional := func(value *int32) string {
		if value == nil {
			return "default"
		}
		return fmt.Sprint(*value)
	}
	set(QueueLength, s.Trigger.Target)
	set("activationQueueLength", s.Trigger.Activation)
	set("scaleOnInFlight", s.Trigger.InFlight)
	set("scaleOnDelayed", s.Trigger.Delayed)
	set("useCachedMetrics", s.Trigger.Cached)
	set(MinReplicas, optional(so.MinReplicaCount))
	set(MaxReplicas, optional(so.MaxReplicaCount))
	set("idleReplicaCount", optional(so.IdleReplicaCount))
	set("pollingInterval", optional(so.PollingInterval))
	set("cooldownPeriod", optional(so.CooldownPeriod))
	set("behavior", behaviorOf(s))
	c := s.Consumer.Settings
	set("MAX_MSGS_PER_BATCH", c.BatchSize)
	set("CONCURRENCY", c.Concurrency)
	set("MSG_PROCESS_DELAY", c.ProcessDelay)
	set("MSG_POLL_BACKOFF", c.Backoff)
	set("MSG_POLL_BACKOFF_MAX", c.BackoffMax)
	set("the queue's delay", s.Queue.Delay)
	set("the queue's visibility timeout", s.Queue.Visibility)
	set("nodes", s.Parts.Nodes.Count)
	set("pods on a node", s.Parts.Nodes.Pods)
	set("the readiness probe's period", s.Consumer.ProbePeriod)
	return slices.Clip(names), values
}

func behaviorOf(s Scenario) string {
	advanced := s.ScaledObject.Spec.Advanced
	if advanced == nil || advanced.HorizontalPodAutoscalerConfig == nil || advanced.HorizontalPodAutoscalerConfig.Behavior == nil {
		return "default"
	}
	text, err := yaml.Marshal(advanced.HorizontalPodAutoscalerConfig.Behavior)
	if err != nil {
		return err.Error() // it was decoded from YAML
	}
	return string(text)
}
