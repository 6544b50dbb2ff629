package sqs

import (
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Visibility is rule SQS001.
var Visibility = rule.Rule{
	ID: "SQS001", Severity: findings.Error, Title: "visibility timeout that ends during the work",
	Why: "If a message's timeout ends before the message is deleted, SQS gives it to another consumer, and both work on it " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html). The " +
		"consumer extends the timeout while it works, but it cannot extend a timeout of 0.",
	Example: "visibilityTimeoutSeconds: 0",
	Fix:     "Give the queue a visibility timeout; AWS's default is 30.",
	Check:   checkVisibility,
}

func checkVisibility(r *rule.Pass) {
	for _, pods := range consumers(r) {
		q := pods.source
		if q == nil || q.Visibility == nil {
			continue
		}
		timeout := time.Duration(*q.Visibility) * time.Second
		if pods.Heartbeat(timeout) == 0 {
			r.Report(q.At("visibilityTimeoutSeconds"),
				"queue %s hides a message for %s: while %s works on it, every other pod receives it too", q.Name, timeout, pods.Key()).
				Fix("set it, 30 for example")
		}
	}
}
