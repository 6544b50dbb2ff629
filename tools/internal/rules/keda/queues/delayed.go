package queues

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Delayed is rule KEDA015.
var Delayed = rule.Rule{
	ID: "KEDA015", Severity: findings.Warning, Title: "delayed messages that nobody decided about",
	Why: "The queue delays its messages, and KEDA by default does not count delayed ones: a burst is seen only when the " +
		"delay ends.",
	Example: "delaySeconds: 900 # and no scaleOnDelayed",
	Fix:     "Say scaleOnDelayed: \"true\" or \"false\" in the trigger.",
	Check:   checkDelayed,
}

func checkDelayed(r *rule.Pass) {
	queues := r.Cluster.Queues()
	for _, t := range r.Cluster.SQSTriggers() {
		if q, found := t.Queue(queues); found && t.Text("scaleOnDelayed") == "" && q.Delay != nil && *q.Delay > 0 {
			r.Report(t.At("scaleOnDelayed"),
				"queue %s delays its messages by %d s, and the trigger does not say whether they count", q.Name, *q.Delay).
				Fix("say scaleOnDelayed")
		}
	}
}
