package rules

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

func checkCoherence(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		selector, found, _ := unstructured.NestedMap(w.Object.Object, "spec", "selector")
		if runsOn(w) && found && len(selector) > 0 && !selectsPods(w.Object, w, "spec", "selector") {
			r.report(onSelector(w.Object, "spec", "selector", "matchLabels"), "use the labels of the template", "the selector of %s does not match the labels of its own pods, %v", w.Key(), w.Template.Labels)
		}
		for _, c := range containersOf(w) {
			r.checkMounts(w, c)
			r.checkProbePorts(w, c)
		}
	}
}

// onSelector is the only label of a selector as a place, or all of it.
func onSelector(o *render.Object, field ...string) at {
	place := on(o)
	for _, element := range field {
		place.field = append(place.field, element)
	}
	labels, _, _ := unstructured.NestedStringMap(o.Object, field...)
	for key := range labels {
		if len(labels) == 1 {
			place.field = append(place.field, key)
		}
	}
	return place
}

func (r *Run) checkMounts(w model.Workload, c container) {
	volumes := volumesOf(w)
	for i, mount := range c.VolumeMounts {
		if !slices.Contains(volumes, mount.Name) {
			r.report(c.at(w, "volumeMounts", i, "name"), didYouMean(mount.Name, volumes, "add the volume"), "container %s of %s mounts volume %s, which the pod does not have", c.Name, w.Key(), mount.Name)
		}
	}
}

// volumesOf names the volumes of a workload's pods, and the claims of which a
// StatefulSet makes volumes.
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

func (r *Run) checkProbePorts(w model.Workload, c container) {
	for _, probe := range []struct {
		field string
		*corev1.Probe
	}{{"readinessProbe", c.ReadinessProbe}, {"livenessProbe", c.LivenessProbe}, {"startupProbe", c.StartupProbe}} {
		if probe.Probe == nil {
			continue
		}
		if get := probe.HTTPGet; get != nil {
			r.checkPortName(w, c, get.Port, probe.field, "httpGet", "port")
		}
		if socket := probe.TCPSocket; socket != nil {
			r.checkPortName(w, c, socket.Port, probe.field, "tcpSocket", "port")
		}
	}
}

func (r *Run) checkPortName(w model.Workload, c container, port intstr.IntOrString, field ...any) {
	names := portNames(c.Container)
	if port.Type == intstr.String && !slices.Contains(names, port.StrVal) {
		r.report(c.at(w, field...), didYouMean(port.StrVal, names, "name the port of the container"), "%s of container %s of %s asks port %s, which the container does not have", field[0], c.Name, w.Key(), port.StrVal)
	}
}

func portNames(c corev1.Container) []string {
	var names []string
	for _, port := range c.Ports {
		names = append(names, port.Name)
	}
	return names
}

func checkServices(r *Run) {
	if r.elsewhere() {
		return
	}
	for _, o := range r.Cluster.Of("", "Service") {
		var service corev1.Service
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &service); err != nil || len(service.Spec.Selector) == 0 {
			continue // the schema says why, or others write its endpoints
		}
		var ports []string
		selected := 0
		for _, w := range r.Cluster.Workloads() {
			if w.GetNamespace() != o.GetNamespace() || model.Target(w.Object) != model.Target(o) || !includes(w.Template.Labels, service.Spec.Selector) {
				continue
			}
			selected++
			for _, c := range containersOf(w) {
				ports = append(ports, portNames(c.Container)...)
			}
		}
		if selected == 0 {
			r.report(onSelector(o, "spec", "selector"), "use the labels of the pods", "%s selects no pods of namespace %s", o.Key(), o.GetNamespace())
			continue
		}
		for i, port := range service.Spec.Ports {
			if target := port.TargetPort; target.Type == intstr.String && target.StrVal != "" && !slices.Contains(ports, target.StrVal) {
				r.report(on(o, "spec", "ports", i, "targetPort"), didYouMean(target.StrVal, ports, fmt.Sprintf("name a port of the pods: %v", ports)), "%s goes on to port %s, which the pods do not have", o.Key(), target.StrVal)
			}
		}
	}
}
