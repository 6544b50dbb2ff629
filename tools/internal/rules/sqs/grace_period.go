package sqs

import (
	"fmt"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// GracePeriod is rule SQS002.
var GracePeriod = rule.Rule{
	ID: "SQS002", Severity: findings.Error, Title: "grace period shorter than the drain",
	Why: "Kubernetes kills a pod at the end of its grace period, in which the preStop hook counts. If a consumer is killed " +
		"during its long poll, the message that it was just given stays invisible until the visibility timeout ends. Each time " +
		"counts as a receive (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).",
	Example: "terminationGracePeriodSeconds: 10",
	Fix: "Make it longer than the long poll of 20 s, plus the time to store the messages that it returns and to hand back the " +
		"rest.",
	Check: checkGracePeriod,
}

// defaultGrace is Kubernetes' default grace period.
const defaultGrace = 30 * time.Second

func checkGracePeriod(r *rule.Pass) {
	for _, pods := range consumers(r) {
		grace := defaultGrace
		if seconds := pods.Template.Spec.TerminationGracePeriodSeconds; seconds != nil {
			grace = time.Duration(*seconds) * time.Second
		}
		left := grace - preStop(pods.Workload)
		if left >= pods.Drain {
			continue
		}
		r.Report(pods.At("terminationGracePeriodSeconds"),
			"%s has %s to end after SIGTERM, but needs up to %s: a long poll of %s, storing the messages that it returns, and handing back the rest",
			pods.Key(), left, pods.Drain, pods.LongPoll).
			Fix(fmt.Sprintf("make it at least %.0f", (grace - left + pods.Drain).Seconds()))
	}
}

// preStop returns how long the preStop hook sleeps, because that time passes before
// SIGTERM. The time of a command is unknown.
func preStop(w model.Workload) time.Duration {
	lifecycle := w.Template.Spec.Containers[0].Lifecycle
	if lifecycle == nil || lifecycle.PreStop == nil || lifecycle.PreStop.Sleep == nil {
		return 0
	}
	return time.Duration(lifecycle.PreStop.Sleep.Seconds) * time.Second
}
