package sqs

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Ranges is rule SQS004.
var Ranges = rule.Rule{
	ID: "SQS004", Severity: findings.Error, Title: "setting that SQS refuses",
	Why: "SQS refuses values outside of its ranges, and the managed resource never becomes ready " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).",
	Example: "delaySeconds: 901",
	Fix:     "Keep to the range that the message names; all are seconds.",
	Check:   checkRanges,
}

func checkRanges(r *rule.Pass) {
	for _, q := range r.Cluster.Queues() {
		for _, setting := range []struct {
			name      string
			value     *int64
			low, high int64
		}{
			{"delaySeconds", q.Delay, 0, 900},
			{"visibilityTimeoutSeconds", q.Visibility, 0, 43_200},
			{"messageRetentionSeconds", q.Retention, 60, 1_209_600},
			{"receiveWaitTimeSeconds", q.Wait, 0, 20},
		} {
			if setting.value != nil && (*setting.value < setting.low || *setting.value > setting.high) {
				r.Report(q.At(setting.name),
					"%s of queue %s is %d: SQS takes %d to %d", setting.name, q.Name, *setting.value, setting.low, setting.high).
					Fix(fmt.Sprintf("from %d to %d", setting.low, setting.high))
			}
		}
	}
}
