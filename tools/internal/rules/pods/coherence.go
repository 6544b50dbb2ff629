package pods

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Coherence is rule POD007.
var Coherence = rule.Rule{
	ID: "POD007", Severity: findings.Error, Title: "workload that contradicts itself",
	Why: "The API server refuses a template without the labels of its selector, and a mount without its volume. It accepts a " +
		"probe of a port name that the container does not have, which then fails forever " +
		"(https://github.com/stackrox/kube-linter/issues/455).",
	Example: "readinessProbe:\n  httpGet: {path: /readyz, port: htpp} # ports: [{name: http}]",
	Fix:     "Write the same name in both places.",
	Check:   checkCoherence,
}

func checkCoherence(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		selector, found, _ := unstructured.NestedMap(w.Object.Object, "spec", "selector")
		if w.LongRunning() && found && len(selector) > 0 && !w.SelectedBy(w.Object, "spec", "selector") {
			r.Report(onSelector(w.Object, "spec", "selector", "matchLabels"),
				"the selector of %s does not match the labels of its own pods, %v", w.Key(), w.Template.Labels).
				Fix("use the labels of the template")
		}
		for _, c := range w.Containers() {
			checkMounts(r, w, c)
			checkProbePorts(r, w, c)
		}
	}
}

func checkMounts(r *rule.Pass, w model.Workload, c model.Container) {
	volumes := volumesOf(w)
	for i, mount := range c.VolumeMounts {
		if !slices.Contains(volumes, mount.Name) {
			r.Report(c.At("volumeMounts", i, "name"),
				"container %s of %s mounts volume %s, which the pod does not have", c.Name, w.Key(), mount.Name).
				Fix(rule.DidYouMean(mount.Name, volumes, "add the volume"))
		}
	}
}

// volumesOf returns the names of the volumes of a workload's pods, including a
// StatefulSet's volumeClaimTemplates.
func volumesOf(w model.Workload) []string {
	var names []string
	for _, volume := range w.Template.Spec.Volumes {
		names = append(names, volume.Name)
	}
	claims, _, _ := unstructured.NestedSlice(w.Object.Object, "spec", "volumeClaimTemplates")
	for _, claim := range claims {
		if mapping, ok := claim.(map[string]any); ok {
			name, _, _ := unstructured.NestedString(mapping, "metadata", "name")
			names = append(names, name)
		}
	}
	return names
}

func checkProbePorts(r *rule.Pass, w model.Workload, c model.Container) {
	for _, probe := range []struct {
		field string
		*corev1.Probe
	}{{"readinessProbe", c.ReadinessProbe}, {"livenessProbe", c.LivenessProbe}, {"startupProbe", c.StartupProbe}} {
		if probe.Probe == nil {
			continue
		}
		if get := probe.HTTPGet; get != nil {
			checkPortName(r, w, c, get.Port, probe.field, "httpGet", "port")
		}
		if socket := probe.TCPSocket; socket != nil {
			checkPortName(r, w, c, socket.Port, probe.field, "tcpSocket", "port")
		}
	}
}

func checkPortName(r *rule.Pass, w model.Workload, c model.Container, port intstr.IntOrString, field ...any) {
	names := portNames(c.Container)
	if port.Type == intstr.String && !slices.Contains(names, port.StrVal) {
		r.Report(c.At(field...),
			"%s of container %s of %s uses port %s, which the container does not have", field[0], c.Name, w.Key(), port.StrVal).
			Fix(rule.DidYouMean(port.StrVal, names, "name the port of the container"))
	}
}
