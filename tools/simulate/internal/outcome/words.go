package outcome

import (
	"fmt"
	"math"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// why explains each step of a run in words.
func why(s scenario.Scenario, r world.Run) []string {
	var lines []string
	for _, step := range r.Steps {
		lines = append(lines, fmt.Sprintf("%s: %s", when(step), explain(s, step)))
	}
	if r.Drained < 0 {
		lines = append(lines, never(s, r))
	}
	return lines
}

func when(step world.Step) string {
	if step.Until > step.Seconds {
		return fmt.Sprintf("%.0f s to %.0f s", step.Seconds, step.Until)
	}
	return fmt.Sprintf("%.0f s", step.Seconds)
}

func explain(s scenario.Scenario, step world.Step) string {
	asked := int32(math.Ceil(float64(step.Metric) / float64(s.Trigger.Target)))
	counted := fmt.Sprintf("%s counted, which at %d a pod asks for %d", messages(step.Metric), s.Trigger.Target, asked)
	switch {
	case step.Actor == "KEDA" && step.To > step.From:
		return fmt.Sprintf("KEDA %d → %d: its poll found %s, more than the activation of %d", step.From, step.To,
			messages(step.Metric), s.Trigger.Activation)
	case step.Actor == "KEDA":
		return fmt.Sprintf("KEDA %d → %d: no poll of the last %d s found more than the activation of %d", step.From, step.To,
			cooldown(s), s.Trigger.Activation)
	case step.Until > 0:
		return held(s, step, counted)
	case step.To > step.From:
		return fmt.Sprintf("the HPA %d → %d: %s%s", step.From, step.To, counted, limit(step))
	case asked < step.To && step.To > *s.ScaledObject.GetHPAMinReplicas():
		return fmt.Sprintf("the HPA %d → %d: %s; more were asked for within its scale-down window, whose highest it takes%s",
			step.From, step.To, counted, limit(step))
	default:
		return fmt.Sprintf("the HPA %d → %d: %s%s", step.From, step.To, counted, limit(step))
	}
}

// held explains a period in which the HPA kept the number of pods.
func held(s scenario.Scenario, step world.Step, counted string) string {
	switch step.Limit {
	case "ScaleDownStabilized":
		return fmt.Sprintf("the HPA keeps %d: %s at first; its scale-down window of %d s remembers more", step.To, counted, s.DownWindow())
	case "ScaleUpStabilized":
		return fmt.Sprintf("the HPA keeps %d: %s; its scale-up window remembers less", step.To, counted)
	case "TooManyReplicas":
		return fmt.Sprintf("the HPA keeps %d: %s, and maxReplicaCount is %d", step.To, counted, s.ScaledObject.GetHPAMaxReplicas())
	default:
		return fmt.Sprintf("the HPA keeps %d: %s; %s", step.To, counted, step.Message)
	}
}

// limit says which policy allowed no more pods.
func limit(step world.Step) string {
	switch step.Limit {
	case "":
		return ""
	case "ScaleUpLimit":
		return "; its scale-up policies allow no more at once"
	case "ScaleDownLimit":
		return "; its scale-down policies allow no more at once"
	case "TooManyReplicas":
		return "; maxReplicaCount allows no more"
	case "TooFewReplicas":
		return "; minReplicaCount allows no less"
	default:
		return "; " + strings.TrimSpace(step.Message)
	}
}

// never says why the queue was not drained.
func never(s scenario.Scenario, r world.Run) string {
	last := r.Samples[max(0, len(r.Samples)-1):]
	if len(last) == 0 {
		return "the queue is never drained"
	}
	text := fmt.Sprintf("after %.0f s the queue still holds %s, with %d of at most %d pods ready", last[0].Seconds,
		messages(last[0].Depth()), last[0].Ready, s.ScaledObject.GetHPAMaxReplicas())
	if r.Pending > 0 {
		text += fmt.Sprintf("; up to %d pods found no node", r.Pending)
	}
	return text + ": the queue is never drained"
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func cooldown(s scenario.Scenario) int32 {
	if s.ScaledObject.Spec.CooldownPeriod != nil {
		return *s.ScaledObject.Spec.CooldownPeriod
	}
	return 300
}
