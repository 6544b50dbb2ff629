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
	Why: "What a queue keeps for longer than its retention is gone, and reaches no dead-letter queue " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html). A consumer that " +
		"breaks on a Friday evening loses messages before anybody is back, unless an alarm of CloudWatch watches the queue. Of " +
		"queues that keep messages for longer those without an alarm count where others have one, or where it is switched off. " +
		"Clusters whose facts say ENVIRONMENT: local are not judged.",
	Example: "kind: Queue\nspec:\n  forProvider:\n    messageRetentionSeconds: 172800 # two days, and no MetricAlarm",
	Fix:     "Keep messages for four days at least, SQS's default, or watch the age of the oldest one with a MetricAlarm.",
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
				"queue %s keeps messages for %s, and no alarm watches it: what waits longer is lost unseen", q.Name, time.Duration(kept)*time.Second).
				Fix(fmt.Sprintf("make it at least %d, or add a MetricAlarm on ApproximateAgeOfOldestMessage", defaultRetention))
		} else {
			r.Report(q.At(), "no alarm watches queue %s: a consumer that stands still, and dead letters, are seen late", q.Name).
				Fix("add a MetricAlarm, as other queues have it")
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
