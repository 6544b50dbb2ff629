// Package tune proposes settings for a ScaledObject: a fixed set of candidates around
// today's settings, so that the same manifests give the same answer. It runs none of
// them.
package tune

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/objective"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

var (
	// lengths are the queueLengths to try, as multiples of today's.
	lengths = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.85, 1, 1.3, 1.6, 2, 3, 4, 6, 10}
	// mosts are the maxReplicaCounts to try, as multiples of today's.
	mosts = []float64{1, 0.6}
	// leasts are the minReplicaCounts to try besides today's, windows the scale-down
	// windows.
	leasts  = []int32{1, 3, 10, 20}
	windows = []int32{60, 300}
)

// Candidates returns today's settings first, and then all others.
func Candidates(s scenario.Scenario) []scenario.Scenario {
	candidates := []scenario.Scenario{s}
	seen := map[string]bool{Words(s): true}
	for _, least := range minimums(s) {
		for _, part := range mosts {
			for _, window := range windowsOf(s) {
				for _, target := range targets(s) {
					c := with(s, target, least, int32(math.Round(part*float64(s.ScaledObject.GetHPAMaxReplicas()))), window)
					if name := Words(c); !seen[name] && *c.ScaledObject.Spec.MinReplicaCount <= *c.ScaledObject.Spec.MaxReplicaCount {
						seen[name] = true
						candidates = append(candidates, c)
					}
				}
			}
		}
	}
	return candidates
}

// targets returns the queueLengths to try, except those below what a pod holds: with
// these the HPA asks for pods that have nothing to do, see rule KEDA008.
func targets(s scenario.Scenario) []int64 {
	least := int64(1)
	if s.Trigger.InFlight {
		least = int64(s.Consumer.Settings.InHand())
	}
	var all []int64
	for _, part := range lengths {
		if target := int64(math.Round(part * float64(s.Trigger.Target))); target >= least && !slices.Contains(all, target) {
			all = append(all, target)
		}
	}
	return all
}

// minimums returns the minReplicaCounts to try. A minimum of 0 stays: without a pod the
// first message waits for KEDA's poll, which somebody has chosen.
func minimums(s scenario.Scenario) []int32 {
	today := int32(0)
	if m := s.ScaledObject.Spec.MinReplicaCount; m != nil {
		today = *m
	}
	all := []int32{today}
	for _, least := range leasts {
		if !slices.Contains(all, least) {
			all = append(all, least)
		}
	}
	return all
}

// windowsOf returns the scale-down windows to try, today's first.
func windowsOf(s scenario.Scenario) []int32 {
	all := []int32{s.DownWindow()}
	for _, w := range windows {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

func with(s scenario.Scenario, target int64, least, most, window int32) scenario.Scenario {
	s.ScaledObject = *s.ScaledObject.DeepCopy()
	s.Trigger.Target = target
	spec := &s.ScaledObject.Spec
	spec.MinReplicaCount, spec.MaxReplicaCount = &least, &most
	if window == s.DownWindow() {
		return s
	}
	if spec.Advanced == nil {
		spec.Advanced = &kedav1alpha1.AdvancedConfig{}
	}
	if spec.Advanced.HorizontalPodAutoscalerConfig == nil {
		spec.Advanced.HorizontalPodAutoscalerConfig = &kedav1alpha1.HorizontalPodAutoscalerConfig{}
	}
	if spec.Advanced.HorizontalPodAutoscalerConfig.Behavior == nil {
		spec.Advanced.HorizontalPodAutoscalerConfig.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	}
	behavior := spec.Advanced.HorizontalPodAutoscalerConfig.Behavior
	if behavior.ScaleDown == nil {
		behavior.ScaleDown = &autoscalingv2.HPAScalingRules{}
	}
	behavior.ScaleDown.StabilizationWindowSeconds = &window
	return s
}

// Words describes a candidate's settings.
func Words(s scenario.Scenario) string {
	least := int32(0)
	if m := s.ScaledObject.Spec.MinReplicaCount; m != nil {
		least = *m
	}
	return strings.Join([]string{
		fmt.Sprintf("queueLength %d", s.Trigger.Target), fmt.Sprintf("%d to %d pods", least, s.ScaledObject.GetHPAMaxReplicas()),
		fmt.Sprintf("down after %d s", s.DownWindow()),
	}, ", ")
}

// idleSeconds is a day: a pod that always runs costs more than one during a burst.
const idleSeconds = 24 * 3600

// Cost returns the cost of a candidate for a day, in pod-seconds: the load once, and the
// minimum for the rest of the day.
func Cost(p outcome.Prediction) float64 { return p.PodSeconds.P95 + float64(p.Minimum)*idleSeconds }

// shortest is the number of candidates that get more runs. slack is the factor by which a
// candidate may miss the objective in its first few runs and still be one of them.
const shortest, slack = 24, 1.15

// Shortlist returns the candidates that are worth more runs, judged by their first few:
// today's settings first, then the frontier, and the cheapest of those that may meet the
// objective.
func Shortlist(o objective.Objective, predictions []outcome.Prediction) []int {
	order := make([]int, len(predictions))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(Cost(predictions[a]), Cost(predictions[b])) })
	chosen := append([]int{0}, Frontier(o, predictions)...)
	for _, n := range order {
		if len(chosen) < shortest && o.Worst(predictions[n].Prediction) <= slack {
			chosen = append(chosen, n)
		}
	}
	var unique []int
	for _, n := range chosen {
		if !slices.Contains(unique, n) {
			unique = append(unique, n)
		}
	}
	return unique
}

// Choose returns the cheapest candidate that meets the objective, or -1. Among equally
// cheap ones the first wins, which is closest to today's settings.
func Choose(o objective.Objective, predictions []outcome.Prediction) int {
	best := -1
	for n, p := range predictions {
		if o.Worst(p.Prediction) > 1 {
			continue
		}
		if best < 0 || Cost(p) < Cost(predictions[best]) {
			best = n
		}
	}
	return best
}

// Frontier returns the candidates for which no other one is both cheaper and better, the
// cheapest first.
func Frontier(o objective.Objective, predictions []outcome.Prediction) []int {
	order := make([]int, len(predictions))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(Cost(predictions[a]), Cost(predictions[b])), cmp.Compare(o.Worst(predictions[a].Prediction),
			o.Worst(predictions[b].Prediction)))
	})
	var frontier []int
	best := math.Inf(1)
	for _, n := range order {
		if worst := o.Worst(predictions[n].Prediction); worst < best {
			best = worst
			frontier = append(frontier, n)
		}
	}
	return frontier
}
