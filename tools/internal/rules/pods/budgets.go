package pods

import (
	"fmt"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Budgets is rule POD006.
var Budgets = rule.Rule{
	ID: "POD006", Severity: findings.Warning, Title: "disruption budget that blocks drains or protects nothing",
	Why: "A budget that never allows an eviction stops every node drain, and with it node upgrades, until a person helps " +
		"(https://kubernetes.io/docs/tasks/run-application/configure-pdb/). A budget whose selector matches nothing protects " +
		"nothing.",
	Example: "minAvailable: 1 # of a Deployment with one replica",
	Fix:     "Set maxUnavailable to 1 or a percentage, and select by the labels of the pods.",
	Check:   checkDisruptionBudgets,
}

func checkDisruptionBudgets(r *rule.Pass) {
	for _, o := range r.Cluster.Of(policyv1.GroupName, "PodDisruptionBudget") {
		var budget policyv1.PodDisruptionBudget
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &budget); err != nil {
			continue // the schema reports it
		}
		var selected []model.Workload
		for _, w := range r.Cluster.Workloads() {
			// An empty selector selects all pods, a missing one none.
			if budget.Spec.Selector != nil && w.SelectedBy(o, "spec", "selector") {
				selected = append(selected, w)
			}
		}
		switch {
		case len(selected) > 0:
			checkBudget(r, o, budget, selected)
		case r.Cluster.Complete(model.ObjectsIn(o.GetNamespace()).For(o)):
			r.Report(onSelector(o, "spec", "selector", "matchLabels"),
				"%s selects no pods: it protects nothing", o.Key()).
				Fix("select by the labels of the pods")
		}
	}
}

func checkBudget(r *rule.Pass, o *render.Object, budget policyv1.PodDisruptionBudget, selected []model.Workload) {
	if most := budget.Spec.MaxUnavailable; most != nil {
		if n, err := intstr.GetScaledValueFromIntOrPercent(most, 100, true); err == nil && n == 0 {
			r.Report(model.At(o, "spec", "maxUnavailable"),
				"%s never allows an eviction: no node with its pods can be drained", o.Key()).
				Fix("allow one eviction")
		}
		return
	}
	pods := 0
	for _, w := range selected {
		n, known := leastPods(r, w)
		if !known {
			return
		}
		pods += n
	}
	least := budget.Spec.MinAvailable
	if least == nil || pods == 0 {
		return
	}
	if n, err := intstr.GetScaledValueFromIntOrPercent(least, pods, true); err == nil && n >= pods {
		r.Report(model.At(o, "spec", "minAvailable"),
			"%s wants %s available where %s: no node with them can be drained", o.Key(), least, countOf(pods)).
			Fix("use maxUnavailable: 1, or run more pods")
	}
}

func countOf(pods int) string {
	if pods == 1 {
		return "1 pod runs"
	}
	return fmt.Sprintf("%d pods run", pods)
}

// leastPods returns how many pods of a workload run without load: its autoscaler's
// minimum, or else its replicas. For a DaemonSet it is unknown, because it is the number
// of nodes.
func leastPods(r *rule.Pass, w model.Workload) (pods int, known bool) {
	if !slices.Contains([]string{"Deployment", "StatefulSet", "ReplicaSet"}, w.GetKind()) {
		return 0, false
	}
	for _, s := range r.Cluster.ScaledObjects() {
		if s.Pods != nil && s.Pods.Object == w.Object {
			return int(*s.GetHPAMinReplicas()), true
		}
	}
	for _, hpa := range r.Cluster.Beside(w.Object, "autoscaling", "HorizontalPodAutoscaler") {
		kind, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(hpa.Object, "spec", "scaleTargetRef", "name")
		if kind == w.GetKind() && name == w.GetName() {
			minimum, said, _ := unstructured.NestedInt64(hpa.Object, "spec", "minReplicas")
			if !said {
				minimum = 1
			}
			return int(minimum), true
		}
	}
	if w.Replicas == nil {
		return 1, true
	}
	return int(*w.Replicas), true
}
