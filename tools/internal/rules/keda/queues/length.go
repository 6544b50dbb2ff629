package queues

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Length is rule KEDA008.
var Length = rule.Rule{
	ID: "KEDA008", Severity: findings.Error, Title: "queueLength that feeds on itself",
	Why: "KEDA asks for (visible + in flight) / queueLength pods. When queueLength is lower than what one pod has in " +
		"flight, a batch or twice its CONCURRENCY, busy pods alone ask for more pods, without a message waiting.",
	Example: "queueLength: \"50\" # a pod with CONCURRENCY=64 has up to 128 messages in hand",
	Fix:     "Make queueLength at least what a pod has in hand, or set scaleOnInFlight: \"false\".",
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
			r.Report(place, "queueLength is %d: the HorizontalPodAutoscaler takes targets above zero", length).
				Fix("write how many messages one pod is to have")
		case t.Flag("scaleOnInFlight", true) && length < int64(held):
			r.Report(place,
				"queueLength is %d, but one pod has up to %d messages in flight: busy pods ask for more pods", length, held).
				Fix(fmt.Sprintf("make it at least %d", held))
		}
	}
}
