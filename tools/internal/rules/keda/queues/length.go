package queues

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Length is rule KEDA008.
var Length = rule.Rule{
	ID: "KEDA008", Severity: findings.Error, Title: "queueLength with which busy pods ask for more pods",
	Why: "KEDA asks for (visible + in flight) / queueLength pods. A busy pod has a batch of messages in flight, or twice its " +
		"CONCURRENCY. If queueLength is lower than that, busy pods alone ask for more pods, although no message waits.",
	Example: "queueLength: \"50\" # a pod with CONCURRENCY=64 has up to 128 messages in flight",
	Fix:     "Make queueLength at least what a pod has in flight, or set scaleOnInFlight: \"false\".",
	Check:   checkQueueLength,
}

// defaultQueueLength is KEDA's default for queueLength.
const defaultQueueLength = 5

func checkQueueLength(r *rule.Pass) {
	for _, t := range r.Cluster.SQSTriggers() {
		length := int64(defaultQueueLength)
		if text := t.Text("queueLength"); text != "" {
			var err error
			if length, err = model.WholeNumber(text); err != nil {
				continue // rule KEDA003 reports it
			}
		}
		place := t.At("queueLength")
		switch held := r.InHand(t); {
		case length <= 0:
			r.Report(place, "queueLength is %d: the HorizontalPodAutoscaler accepts only targets above zero", length).
				Fix("write the number of messages for one pod")
		case t.Flag("scaleOnInFlight", true) && length < int64(held):
			r.Report(place,
				"queueLength is %d, but one pod has up to %d messages in flight: busy pods ask for more pods", length, held).
				Fix(fmt.Sprintf("make it at least %d", held))
		}
	}
}
