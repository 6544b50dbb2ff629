package pods

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Filesystem is rule POD004.
var Filesystem = rule.Rule{
	ID: "POD004", Severity: findings.Warning, Title: "writable root filesystem",
	Why: "Whoever breaks into a container with a read-only filesystem can leave nothing behind in it. A program that needs a " +
		"scratch folder can have an emptyDir (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/).",
	Example: "securityContext: {} # no readOnlyRootFilesystem",
	Fix:     "Set securityContext.readOnlyRootFilesystem: true, with an emptyDir where the program writes.",
	Check:   checkRootFilesystem,
}

func checkRootFilesystem(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if system := w.Template.Spec.OS; system != nil && system.Name == corev1.Windows {
			continue
		}
		for _, c := range w.Containers() {
			if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
				r.Report(c.At("securityContext", "readOnlyRootFilesystem"),
					"container %s of %s can write to its root filesystem", c.Name, w.Key()).
					Fix("set readOnlyRootFilesystem: true")
			}
		}
	}
}
