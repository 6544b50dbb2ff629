package scaling

import (
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Disruption is rule POD018.
var Disruption = rule.Rule{
	ID: "POD018", Severity: findings.Warning, Title: "nodes that end before their pods do",
	Why: "Karpenter ends a node terminationGracePeriod after it began to drain it, whatever its pods ask for: a pod that needs " +
		"longer is killed during its work, and disruption budgets are ignored " +
		"(https://karpenter.sh/docs/concepts/disruption/#terminationgraceperiod, " +
		"https://github.com/aws/karpenter-provider-aws/issues/6337).",
	Example: "kind: NodePool\nspec: {template: {spec: {terminationGracePeriod: 30s}}} # and a pod with 60 s of grace",
	Fix:     "Make terminationGracePeriod longer than the longest grace period of the pods.",
	Check:   checkDisruption,
}

func checkDisruption(r *rule.Pass) {
	for _, pool := range r.Cluster.Of("karpenter.sh", "NodePool") {
		for _, value := range model.Values(pool, "spec/template/spec/terminationGracePeriod") {
			limit, err := time.ParseDuration(value.Text())
			if err != nil {
				continue // the schema reports it
			}
			if w, grace := slowest(r, pool); grace > limit {
				r.Report(value.Field, "%s ends its nodes after %s, but the pods of %s have %s to end", pool.Key(), limit, w.Key(), grace).
					Fix("make it longer than " + grace.String())
			}
		}
	}
}

// slowest returns the workload with the longest termination grace period on the API
// server of a pool.
func slowest(r *rule.Pass, pool *render.Object) (slowest model.Workload, grace time.Duration) {
	for _, w := range r.Cluster.Workloads() {
		seconds := w.Template.Spec.TerminationGracePeriodSeconds
		if seconds == nil || model.Target(w.Object) != model.Target(pool) {
			continue
		}
		if needed := time.Duration(*seconds) * time.Second; needed > grace {
			slowest, grace = w, needed
		}
	}
	return slowest, grace
}
