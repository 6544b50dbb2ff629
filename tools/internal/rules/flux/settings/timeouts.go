package settings

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Timeouts is rule FLX014.
var Timeouts = rule.Rule{
	ID: "FLX014", Severity: findings.Warning, Title: "wait that is longer than the interval",
	Why: "A Kustomization that waits for its objects reads no new commit until they are healthy or the timeout is over " +
		"(https://github.com/fluxcd/kustomize-controller/issues/701). If the timeout is as long as the interval or longer, a " +
		"broken commit holds back the commit that repairs it for that time, again and again " +
		"(https://github.com/fluxcd/kustomize-controller/issues/1624). Flux's own default is 30 seconds shorter than the " +
		"interval.",
	Example: "spec:\n  interval: 10m\n  timeout: 10m\n  wait: true",
	Fix:     "Make the timeout shorter than the interval, or remove it.",
	Check:   checkTimeouts,
}

func checkTimeouts(r *rule.Pass) {
	for _, k := range r.Cluster.Kustomizations() {
		waits := k.Spec.Wait || len(k.Spec.HealthChecks) > 0
		timeout, interval := k.Spec.Timeout, k.Spec.Interval.Duration
		if k.Object == nil || !waits || timeout == nil || interval == 0 || timeout.Duration < interval {
			continue
		}
		r.Report(model.At(k.Object, "spec", "timeout"),
			"%s waits up to %s for its objects, and looks for a new commit every %s", k, timeout.Duration, interval).
			Fix(fmt.Sprintf("make it shorter than %s", interval))
	}
}
