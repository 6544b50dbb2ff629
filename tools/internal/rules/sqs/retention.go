package sqs

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Retention is rule SQS011.
var Retention = rule.Rule{
	ID: "SQS011", Severity: findings.Warning, Title: "queue that nobody watches",
	Why: "SQS deletes a message at the end of the retention period, and does not move it to a dead-letter queue " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html). If a " +
		"consumer breaks on a Friday evening, messages are lost before anybody is back, unless a CloudWatch alarm watches the " +
		"queue. A queue that keeps messages for four days or more is reported only if other queues have an alarm, or if its " +
		"composite resource turns alarms off. The rule does not judge clusters whose facts say ENVIRONMENT: local.",
	Example: "kind: Queue\nspec:\n  forProvider:\n    messageRetentionSeconds: 172800 # two days, and no MetricAlarm",
	Fix:     "Keep messages for at least four days, SQS's default, or watch the age of the oldest one with a MetricAlarm.",
	Check:   checkRetention,
}

func checkRetention(r *rule.Pass) {
	watched := watchedQueues(r)
	for _, q := range r.Cluster.Queues() {
		kept := retentionOf(q)
		short, expected := kept < defaultRetention, len(watched) > 0 || declined(q)
		if q.Name == "" || watched[q.Name] || r.Cluster.IsLocal(q.Object) || !short && !expected ||
			!r.Cluster.Complete(model.ManagedResources.For(q.Object)) {
			continue
		}
		if short {
			r.Report(q.At("messageRetentionSeconds"),
				"queue %s keeps messages for %s, and no alarm watches it: messages that wait longer are lost unnoticed",
				q.Name, time.Duration(kept)*time.Second).
				Fix(fmt.Sprintf("make it at least %d, or add a MetricAlarm on ApproximateAgeOfOldestMessage", defaultRetention))
		} else {
			r.Report(q.At(), "no alarm watches queue %s: nobody is told of a consumer that stands still, or of dead letters", q.Name).
				Fix("add a MetricAlarm")
		}
	}
}

// declined reports whether a queue's composite resource turns alarms off.
func declined(q model.Queue) bool {
	if q.Object.Composite == nil {
		return false
	}
	enabled, said, _ := unstructured.NestedBool(q.Object.Composite.Object, "spec", "alarms", "enabled")
	return said && !enabled
}

// watchedQueues returns the names of the queues with an alarm.
func watchedQueues(r *rule.Pass) map[string]bool {
	watched := map[string]bool{}
	for _, alarm := range r.Cluster.Managed("cloudwatch", "MetricAlarm") {
		dimensions, _ := model.Setting(alarm, "dimensions").(map[string]any)
		if name, _, _ := unstructured.NestedString(dimensions, "QueueName"); name != "" {
			watched[name] = true
		}
		for _, value := range model.Values(alarm, "spec/forProvider/metricQuery/metric/dimensions/QueueName") {
			watched[value.Text()] = true
		}
	}
	return watched
}
