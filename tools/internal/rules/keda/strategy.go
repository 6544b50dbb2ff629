package keda

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Strategy is rule KEDA019.
var Strategy = rule.Rule{
	ID: "KEDA019", Severity: findings.Error, Title: "second job for the same message",
	Why: "The strategy accurate starts a job for every message that the queue counts, and does not subtract the running jobs. " +
		"It is for queues that do not count messages in work " +
		"(https://keda.sh/docs/latest/reference/scaledjob-spec/#scalingstrategy). SQS's scaler counts messages in flight " +
		"unless scaleOnInFlight is \"false\", so each poll starts more jobs for the same messages " +
		"(https://github.com/kedacore/keda/issues/1323, https://github.com/kedacore/keda/issues/7345).",
	Example: "scalingStrategy: {strategy: accurate}\ntriggers:\n  - type: aws-sqs-queue # without scaleOnInFlight: \"false\"",
	Fix:     "Set scaleOnInFlight: \"false\", or use the default strategy.",
	Check:   checkStrategy,
}

func checkStrategy(r *rule.Pass) {
	for _, t := range r.Cluster.SQSTriggers() {
		strategy, _, _ := unstructured.NestedString(t.Object.Object, "spec", "scalingStrategy", "strategy")
		if t.Owner == nil && strategy == "accurate" && t.Flag("scaleOnInFlight", true) {
			r.Report(model.At(t.Object, "spec", "scalingStrategy", "strategy"),
				"%s starts jobs for messages in flight, which have one already: its strategy is accurate, and the trigger counts them", t.Object.Key()).
				Fix(`set scaleOnInFlight: "false" in the trigger, or use the default strategy`)
		}
	}
}
