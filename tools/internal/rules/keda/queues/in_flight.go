package queues

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// InFlight is rule KEDA012.
var InFlight = rule.Rule{
	ID: "KEDA012", Severity: findings.Error, Title: "more pods than the queue allows",
	Why: "A standard queue allows at most 120,000 messages in flight: received, but not deleted yet. Then it refuses every " +
		"receive (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html).",
	Example: "maxReplicaCount: 20000",
	Fix:     "Lower maxReplicaCount or CONCURRENCY.",
	Check:   checkInFlight,
}

// maxInFlight is SQS's limit for the messages in flight of a standard queue.
const maxInFlight = 120_000

func checkInFlight(r *rule.Pass) {
	for _, t := range r.Cluster.SQSTriggers() {
		if held := r.InHand(t); t.Most*held > maxInFlight {
			r.Report(model.At(t.Object, "spec", "maxReplicaCount"),
				"%d pods with %d messages each are more than the %d that a queue hands out", t.Most, held, maxInFlight).
				Fix(fmt.Sprintf("at most %d", maxInFlight/held))
		}
	}
}
