package keda

import (
	"slices"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Fallback is rule KEDA011.
var Fallback = rule.Rule{
	ID: "KEDA011", Severity: findings.Warning, Title: "no fallback",
	Why: "While KEDA cannot read the queue, the number of pods does not change: in a quiet hour that is the minimum, and a " +
		"backlog grows. With scaleOnInFlight: \"false\" and a minimum of zero KEDA does not count the messages that pods work " +
		"on (https://github.com/kedacore/keda/issues/5948).",
	Example: "spec:\n  triggers:\n    - type: aws-sqs-queue",
	Fix:     "Set fallback with failureThreshold and replicas. Keep scaleOnInFlight if a message takes long.",
	Check:   checkFallback,
}

func checkFallback(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		asks := slices.ContainsFunc(s.Triggers, func(t kedav1alpha1.ScaleTriggers) bool {
			return t.Type != "cpu" && t.Type != "memory" && t.Type != "cron"
		})
		if s.Spec.Fallback == nil && asks {
			fix := "set fallback"
			if s.ReachesZero() {
				fix = "set fallback, and minReplicaCount: 1, for it starts nothing from zero"
			}
			r.Report(model.At(s.Object, "spec"),
				"ScaledObject %s has no fallback: while its trigger cannot be read, the number of pods does not change", s.Name).
				Fix(fix)
		}
	}
	checkInFlight(r)
}

// checkInFlight reports a trigger that ignores messages in flight: each of them is work,
// and its pod may be the last one.
func checkInFlight(r *rule.Pass) {
	queues := r.Cluster.Queues()
	for _, t := range r.Cluster.SQSTriggers() {
		if t.Owner == nil || t.Pods == nil || t.Flag("scaleOnInFlight", true) || !t.Owner.ReachesZero() {
			continue
		}
		cooldown, work := time.Duration(t.Owner.Cooldown())*time.Second, "a batch takes"
		longest := time.Duration(0)
		if _, settings, known := r.Settings(*t.Pods); known && settings.Consumer != nil {
			longest = settings.Consumer.Batch
		} else if q, found := t.Queue(queues); found && q.Visibility != nil {
			longest, work = time.Duration(*q.Visibility)*time.Second, "the visibility timeout allows for"
		}
		if longest > cooldown {
			r.Report(t.At("scaleOnInFlight"),
				"messages in flight do not count: KEDA removes the last pods after %s, and %s %s", cooldown, work, longest).
				Fix("remove it, or set minReplicaCount")
		}
	}
}
