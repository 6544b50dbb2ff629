package scaling

import (
	policyv1 "k8s.io/api/policy/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Overlaps is rule POD017.
var Overlaps = rule.Rule{
	ID: "POD017", Severity: findings.Error, Title: "pods under two disruption budgets",
	Why: "The API server refuses to evict a pod that two PodDisruptionBudgets select: \"This pod has more than one " +
		"PodDisruptionBudget, which the eviction subresource does not support\" " +
		"(https://github.com/kubernetes/kubernetes/issues/75957). No node with such a pod can be drained.",
	Example: "kind: PodDisruptionBudget\nspec:\n  selector: {} # beside one for a workload of the namespace",
	Fix:     "Let each pod be selected by one budget.",
	Check:   checkOverlaps,
}

func checkOverlaps(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		var first *render.Object
		for _, budget := range r.Cluster.Beside(w.Object, policyv1.GroupName, "PodDisruptionBudget") {
			if len(model.Values(budget, "spec/selector")) == 0 || !w.SelectedBy(budget, "spec", "selector") {
				continue
			}
			if first == nil {
				first = budget
				continue
			}
			r.Report(model.At(budget, "spec", "selector"),
				"%s and %s select the pods of %s: none of them can be evicted", budget.Key(), first.Key(), w.Key()).
				Fix("narrow the selector of one of them")
		}
	}
}
