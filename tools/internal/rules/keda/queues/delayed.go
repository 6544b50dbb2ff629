package queues

import (
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Delayed is rule KEDA015.
var Delayed = rule.Rule{
	ID: "KEDA015", Severity: findings.Warning, Title: "trigger that does not say whether delayed messages count",
	Why: "The queue delays its messages, and by default KEDA does not count delayed ones: it sees a burst only when the delay " +
		"ends.",
	Example: "delaySeconds: 900 # and no scaleOnDelayed",
	Fix:     "Set scaleOnDelayed to \"true\" or \"false\" in the trigger.",
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
