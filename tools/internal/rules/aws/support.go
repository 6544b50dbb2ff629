package aws

import (
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Support is rule AWS003.
var Support = rule.Rule{
	ID: "AWS003", Severity: findings.Warning, Title: "Kubernetes version whose support by EKS ends soon",
	Why: "At the end of standard support EKS upgrades the cluster by itself or, with extended support, charges six times as " +
		"much (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html). After an upgrade the manifest names " +
		"a version that the cluster has left, and the provider requests it at every reconciliation, before any other change. " +
		"The rule warns half a year before, which leaves time for a rehearsal and a pull request.",
	Example: "kind: Cluster # of EKS\nspec:\n  forProvider:\n    version: \"1.32\"",
	Fix:     "Upgrade the cluster one version at a time.",
	Check:   checkSupport,
}

// enoughSupport is the shortest time for which a version must still be supported.
const enoughSupport = 6 * 30 * 24 * time.Hour

// standardSupport is the end of EKS's standard support for each version of Kubernetes, as
// EKS's page said on 2026-11-29. For older versions it has ended. The day for 1.36 is the
// earliest possible one.
var standardSupport = map[string]string{
	"1.28": "2024-11-26", "1.29": "2025-03-23", "1.30": "2025-07-23", "1.31": "2025-11-26", "1.32": "2026-03-23",
	"1.33": "2026-07-29", "1.34": "2026-12-02", "1.35": "2027-03-27", "1.36": "2027-06-22",
}

// now returns the day on which versions are judged.
var now = time.Now

func checkSupport(r *rule.Pass) {
	for _, cluster := range r.Cluster.Managed("eks", "Cluster") {
		version := model.SettingText(cluster, "version")
		end, left, known := supportOf(version)
		if !known || left >= enoughSupport {
			continue
		}
		place := model.SettingAt(cluster, "version")
		const fix = "take the next version; its nodes and add-ons follow"
		if left < 0 {
			r.Report(place, "EKS ended its standard support of Kubernetes %s on %s", version, end).Fix(fix)
		} else {
			r.Report(place, "EKS ends its standard support of Kubernetes %s on %s, in %d days", version, end, int(left/(24*time.Hour))).Fix(fix)
		}
	}
}

// supportOf returns the end of EKS's standard support for a version, and the time until
// then.
func supportOf(version string) (end string, left time.Duration, known bool) {
	if end, known = standardSupport[version]; !known {
		return "", 0, false
	}
	day, err := time.Parse(time.DateOnly, end)
	return end, day.Sub(now()), err == nil
}
