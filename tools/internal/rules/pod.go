package rules

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var podRules = []Rule{
	{
		ID: "POD001", Severity: findings.Error, Title: "pod that Pod Security refuses",
		Why: "A namespace that enforces a level admits no pod below it, and says so only in the events of a ReplicaSet: the " +
			"Deployment is accepted and gets no pods. Where nothing is enforced, a pod below `restricted` is a warning " +
			"(https://kubernetes.io/docs/concepts/security/pod-security-standards/). The judgement is the API server's own code.",
		Example: "securityContext: {} # in a namespace that enforces restricted",
		Fix:     "Write what the message names into the securityContext of the pod or its containers.",
		check:   checkPodSecurity,
	},
	{
		ID: "POD002", Severity: findings.Warning, Title: "container without resource requests",
		Why: "The scheduler places a pod by its requests: without them any number of pods fits on a node, and they are the " +
			"first to be evicted. Without a memory limit one leak takes its neighbours along. CPU needs no limit " +
			"(https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/).",
		Example: "resources: {}",
		Fix:     "Set requests of cpu and memory and a limit of memory, or a LimitRange in the namespace.",
		check:   checkResources,
	},
	{
		ID: "POD003", Severity: findings.Warning, Title: "server without probes",
		Why: "Without a readiness probe a Service sends requests to a pod that has only just started, at every rollout. " +
			"Without a liveness or startup probe a process that hangs is never restarted " +
			"(https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/).",
		Example: "ports: [{containerPort: 8080}] # and no readinessProbe",
		Fix:     "Add a readinessProbe, and a livenessProbe that asks for no more than that the process answers.",
		check:   checkProbes,
	},
	{
		ID: "POD004", Severity: findings.Warning, Title: "root filesystem that can be written",
		Why: "Whoever breaks into a container whose filesystem is read-only can leave nothing behind in it; programs that " +
			"need a scratch folder get an emptyDir (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/).",
		Example: "securityContext: {} # no readOnlyRootFilesystem",
		Fix:     "Set securityContext.readOnlyRootFilesystem: true, with an emptyDir where the program writes.",
		check:   checkRootFilesystem,
	},
	{
		ID: "POD005", Severity: findings.Warning, Title: "pods that no NetworkPolicy selects",
		Why: "A pod that no NetworkPolicy selects may be called by every pod and may call everything " +
			"(https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation).",
		Example: "kind: Namespace # and no NetworkPolicy in it",
		Fix:     "Add a NetworkPolicy with an empty podSelector and what the pods need.",
		check:   checkNetworkPolicies,
	},
	{
		ID: "POD006", Severity: findings.Warning, Title: "disruption budget that blocks drains or protects nothing",
		Why: "A budget that never allows an eviction stops every node drain, and with it node upgrades, until a person helps " +
			"(https://kubernetes.io/docs/tasks/run-application/configure-pdb/). One whose selector matches nothing protects nothing.",
		Example: "minAvailable: 1 # of a Deployment with one replica",
		Fix:     "Use maxUnavailable of 1 or a percentage, and the labels of the pods.",
		check:   checkDisruptionBudgets,
	},
	{
		ID: "POD007", Severity: findings.Error, Title: "workload that contradicts itself",
		Why: "A template without the labels of its selector and a mount without its volume are refused by the API server. A " +
			"probe of a port name that the container does not have is accepted and fails for ever " +
			"(https://github.com/stackrox/kube-linter/issues/455).",
		Example: "readinessProbe:\n  httpGet: {path: /readyz, port: htpp} # ports: [{name: http}]",
		Fix:     "Write the same name at both places.",
		check:   checkCoherence,
	},
	{
		ID: "POD008", Severity: findings.Warning, Title: "Service that reaches no pod",
		Why: "A selector that matches no pods and a port name that the pods do not have are accepted, and give a Service " +
			"without endpoints (https://github.com/kubernetes/kubernetes/issues/9734).",
		Example: "spec:\n  selector: {app: consumr}",
		Fix:     "Use the labels of the pods, and the name or number of a container's port.",
		check:   checkServices,
	},
	{
		ID: "POD009", Severity: findings.Error, Title: "reference to what is not there",
		Why: "A pod whose ServiceAccount is missing is never created, and one whose ConfigMap or Secret is missing, or lacks " +
			"the key, does not start (https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#restrictions). " +
			"The name of a Service that does not exist, and a namespace in a NetworkPolicy that nothing creates, are errors " +
			"that show up only as connections that fail. What people or operators may make is a warning, or no finding unless " +
			"the name is that of something else but for a letter or two.",
		Example: "serviceAccountName: consumr",
		Fix:     "Correct the name, or add the object to the repository.",
		check:   checkReferred,
	},
}

// evaluator judges as the API server's admission does.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

func checkPodSecurity(r *Run) {
	judge, err := evaluator()
	if err != nil {
		panic(err) // the library's own checks
	}
	for _, namespace := range r.Cluster.Of("", "Namespace") {
		_, errs := api.PolicyToEvaluate(namespace.GetLabels(), privileged)
		for _, err := range errs {
			label := strings.TrimSuffix(strings.TrimPrefix(err.Field, "metadata.labels["), "]")
			r.report(on(namespace, "metadata", "labels", label), "correct the label", "the API server refuses %s: %v", namespace.Key(), err)
		}
	}
	for _, w := range r.Cluster.Workloads() {
		enforced := r.enforced(w)
		refused := r.judgePod(judge, w, enforced, r.report, fmt.Sprintf("namespace %s enforces %s", w.GetNamespace(), enforced.Level))
		if !refused && enforced.Level != api.LevelRestricted {
			r.judgePod(judge, w, restricted, r.warn, "below Pod Security's level restricted")
		}
	}
}

var (
	restricted = api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	nothing    = api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	// privileged is what the API server applies where a namespace says nothing.
	privileged = api.Policy{Enforce: nothing, Audit: nothing, Warn: nothing}
)

// enforced is the level that the workload's namespace enforces.
func (r *Run) enforced(w model.Workload) api.LevelVersion {
	namespace := r.Cluster.Find(w.Object, "", "Namespace", "", w.GetNamespace())
	if namespace == nil {
		return nothing
	}
	evaluated, _ := api.PolicyToEvaluate(namespace.GetLabels(), privileged)
	return evaluated.Enforce
}

// judgePod reports what a level forbids of a workload's pods, and tells whether
// it did.
func (r *Run) judgePod(judge policy.Evaluator, w model.Workload, level api.LevelVersion, say func(at, string, string, ...any), reason string) bool {
	said := false
	for _, result := range judge.EvaluatePod(level, &w.Template.ObjectMeta, &w.Template.Spec) {
		if result.Allowed {
			continue
		}
		detail := result.ForbiddenReason
		if result.ForbiddenDetail != "" {
			detail += ": " + result.ForbiddenDetail
		}
		say(accused(w, result.ForbiddenReason, result.ForbiddenDetail), "see https://kubernetes.io/docs/concepts/security/pod-security-standards/", "%s: %s (%s)", w.Key(), detail, reason)
		said = true
	}
	return said
}

// accused is the field that a refusal is about: that of the first container that
// the detail names, or that of the pod where both may have it.
func accused(w model.Workload, reason, detail string) at {
	field := securityFields[reason]
	if strings.HasPrefix(detail, "pod or container") && w.Template.Spec.SecurityContext != nil {
		return on(w.Object, w.Field("securityContext", field)...)
	}
	for _, c := range containersOf(w) {
		if strings.Contains(detail, fmt.Sprintf("%q", c.Name)) {
			return c.at(w, "securityContext", field)
		}
	}
	return on(w.Object, w.Field("securityContext", field)...)
}

// securityFields are the fields that Pod Security's reasons are about. Of a
// reason without one the securityContext is the place.
var securityFields = map[string]string{
	"allowPrivilegeEscalation != false": "allowPrivilegeEscalation",
	"unrestricted capabilities":         "capabilities",
	"runAsNonRoot != true":              "runAsNonRoot",
	"runAsUser=0":                       "runAsUser",
	"seccompProfile":                    "seccompProfile",
	"privileged":                        "privileged",
}

func checkResources(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		if r.limitRange(w) {
			continue
		}
		of := w.Template.Spec.Resources
		if of == nil {
			of = &corev1.ResourceRequirements{}
		}
		for _, c := range containersOf(w) {
			var missing []string
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				// A limit is the request too where there is none.
				if !has(name, c.Resources.Requests, c.Resources.Limits, of.Requests, of.Limits) {
					missing = append(missing, "requests."+string(name))
				}
			}
			if !has(corev1.ResourceMemory, c.Resources.Limits, of.Limits) {
				missing = append(missing, "limits.memory")
			}
			if len(missing) > 0 {
				r.report(c.at(w, "resources"), "set them to what the program uses", "container %s of %s has no %s", c.Name, w.Key(), strings.Join(missing, ", "))
			}
		}
	}
}

func has(name corev1.ResourceName, lists ...corev1.ResourceList) bool {
	return slices.ContainsFunc(lists, func(list corev1.ResourceList) bool { return !list.Name(name, "").IsZero() })
}

// limitRange tells whether the workload's namespace gives its containers
// defaults.
func (r *Run) limitRange(w model.Workload) bool {
	for _, o := range r.Cluster.Of("", "LimitRange") {
		if o.GetNamespace() == w.GetNamespace() && model.Target(o) == model.Target(w.Object) {
			return true
		}
	}
	return false
}

func checkProbes(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		if !runsOn(w) {
			continue
		}
		ready := slices.ContainsFunc(w.Template.Spec.Containers, func(c corev1.Container) bool { return c.ReadinessProbe != nil })
		if service := r.serviceOf(w); service != "" && !ready {
			r.report(on(w.Object, w.Field("containers", 0)...), "add a readinessProbe", "%s has no readiness probe, but Service %s sends it requests", w.Key(), service)
		}
		for i, c := range w.Template.Spec.Containers {
			if len(c.Ports) > 0 && c.LivenessProbe == nil && c.StartupProbe == nil {
				r.report(on(w.Object, w.Field("containers", i)...), "add a livenessProbe", "container %s of %s serves, but has no liveness or startup probe", c.Name, w.Key())
			}
		}
	}
}

// serviceOf names a Service that selects the workload's pods.
func (r *Run) serviceOf(w model.Workload) string {
	for _, o := range r.Cluster.Of("", "Service") {
		selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector")
		beside := o.GetNamespace() == w.GetNamespace() && model.Target(o) == model.Target(w.Object)
		if beside && len(selector) > 0 && includes(w.Template.Labels, selector) {
			return o.GetName()
		}
	}
	return ""
}

func checkRootFilesystem(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		if system := w.Template.Spec.OS; system != nil && system.Name == corev1.Windows {
			continue
		}
		for _, c := range containersOf(w) {
			if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
				r.report(c.at(w, "securityContext", "readOnlyRootFilesystem"), "set readOnlyRootFilesystem: true", "container %s of %s can write to its root filesystem", c.Name, w.Key())
			}
		}
	}
}
