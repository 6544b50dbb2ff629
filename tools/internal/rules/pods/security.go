package pods

import (
	"fmt"
	"strings"
	"sync"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Security is rule POD001.
var Security = rule.Rule{
	ID: "POD001", Severity: findings.Error, Title: "pod that Pod Security refuses",
	Why: "A namespace that enforces a level admits no pod below it. Only the events of the ReplicaSet say so: the Deployment " +
		"is accepted and gets no pods. In a namespace that enforces nothing, a pod below `restricted` is a warning " +
		"(https://kubernetes.io/docs/concepts/security/pod-security-standards/). The rule runs the API server's own check.",
	Example: "securityContext: {} # in a namespace that enforces restricted",
	Fix:     "Add what the message names to the securityContext of the pod or its containers.",
	Check:   checkPodSecurity,
}

// evaluator evaluates Pod Security as the API server's admission does.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

func checkPodSecurity(r *rule.Pass) {
	judge, err := evaluator()
	if err != nil {
		panic(err) // only the library's own checks could fail
	}
	for _, namespace := range r.Cluster.Of("", "Namespace") {
		_, errs := api.PolicyToEvaluate(namespace.GetLabels(), privileged)
		for _, err := range errs {
			label := strings.TrimSuffix(strings.TrimPrefix(err.Field, "metadata.labels["), "]")
			r.Report(model.At(namespace, "metadata", "labels", label),
				"the API server refuses %s: %v", namespace.Key(), err).
				Fix("correct the label")
		}
	}
	for _, w := range r.Cluster.Workloads() {
		level := enforced(r, w)
		refused := judgePod(r, judge, w, level, findings.Error, fmt.Sprintf("namespace %s enforces %s", w.GetNamespace(), level.Level))
		if !refused && level.Level != api.LevelRestricted {
			judgePod(r, judge, w, restricted, findings.Warning, "below Pod Security's level restricted")
		}
	}
}

var (
	restricted = api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	nothing    = api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	// privileged is the API server's policy for a namespace without labels.
	privileged = api.Policy{Enforce: nothing, Audit: nothing, Warn: nothing}
)

// enforced returns the level that a workload's namespace enforces.
func enforced(r *rule.Pass, w model.Workload) api.LevelVersion {
	namespace := r.Cluster.Find(w.Object, "", "Namespace", "", w.GetNamespace())
	if namespace == nil {
		return nothing
	}
	evaluated, _ := api.PolicyToEvaluate(namespace.GetLabels(), privileged)
	return evaluated.Enforce
}

// judgePod reports what a level forbids in a workload's pods, and returns whether there
// is anything.
func judgePod(r *rule.Pass, judge policy.Evaluator, w model.Workload, level api.LevelVersion, as findings.Severity, reason string) bool {
	refused := false
	for _, result := range judge.EvaluatePod(level, &w.Template.ObjectMeta, &w.Template.Spec) {
		if result.Allowed {
			continue
		}
		detail := result.ForbiddenReason
		if result.ForbiddenDetail != "" {
			detail += ": " + result.ForbiddenDetail
		}
		r.ReportAs(as, fieldOfViolation(w, result.ForbiddenReason, result.ForbiddenDetail), "%s (%s)", detail, reason).
			Fix("see https://kubernetes.io/docs/concepts/security/pod-security-standards/")
		refused = true
	}
	return refused
}

// fieldOfViolation returns the field that a violation is about: that of the first
// container that the detail names, or the pod's if both may have it.
func fieldOfViolation(w model.Workload, reason, detail string) model.Field {
	field := securityFields[reason]
	if strings.HasPrefix(detail, "pod or container") && w.Template.Spec.SecurityContext != nil {
		return w.At("securityContext", field)
	}
	for _, c := range w.Containers() {
		if strings.Contains(detail, fmt.Sprintf("%q", c.Name)) {
			return c.At("securityContext", field)
		}
	}
	return w.At("securityContext", field)
}

// securityFields are the fields for Pod Security's reasons. For any other reason it is
// the securityContext.
var securityFields = map[string]string{
	"allowPrivilegeEscalation != false": "allowPrivilegeEscalation",
	"unrestricted capabilities":         "capabilities",
	"runAsNonRoot != true":              "runAsNonRoot",
	"runAsUser=0":                       "runAsUser",
	"seccompProfile":                    "seccompProfile",
	"privileged":                        "privileged",
}
