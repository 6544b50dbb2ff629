package model

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Workload is an object that runs pods.
type Workload struct {
	*render.Object
	Template corev1.PodTemplateSpec
	// path is the field of the pod template.
	path []any
	// Replicas is spec.replicas; nil if it is not set, or if the kind does not have the
	// field.
	Replicas *int32
}

// Workloads returns the objects that run pods, of Kubernetes' own kinds. The caller must
// not change them. The schema reports an object whose template cannot be decoded.
func (c *Cluster) Workloads() []Workload {
	workloads := c.workloads()
	for _, w := range workloads {
		c.reading(w.Object)
	}
	return workloads
}

// At returns a field of the pod's specification as a field of the workload.
func (w Workload) At(path ...any) Field { return w.TemplateAt(append([]any{"spec"}, path...)...) }

// TemplateAt returns a field of the pod's template as a field of the workload.
func (w Workload) TemplateAt(path ...any) Field { return At(w.Object, w.path...).At(path...) }

// SelectedBy reports whether a label selector, in a field of an object in the same
// namespace, selects the workload's pods. An empty selector selects all.
func (w Workload) SelectedBy(o *render.Object, field ...string) bool {
	if w.GetNamespace() != o.GetNamespace() || Target(w.Object) != Target(o) {
		return false
	}
	var selector metav1.LabelSelector
	content, _, _ := unstructured.NestedMap(o.Object, field...)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &selector); err != nil {
		return true // the schema says why
	}
	compiled, err := metav1.LabelSelectorAsSelector(&selector)
	return err != nil || compiled.Matches(labels.Set(w.Template.Labels))
}

// LongRunning reports whether the pods run until they are stopped.
func (w Workload) LongRunning() bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, w.GetKind())
}

// Container is a container of a workload's pods.
type Container struct {
	corev1.Container
	field Field
	// Starts reports whether it is an init container that ends before the next container
	// starts.
	Starts bool
}

// At returns a field of the container as a field of its workload.
func (c Container) At(path ...any) Field { return c.field.At(path...) }

// Containers returns all containers of the workload's pods, init containers first.
func (w Workload) Containers() []Container {
	var all []Container
	for i, c := range w.Template.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		all = append(all, Container{c, w.At("initContainers", i), !sidecar})
	}
	return append(all, w.MainContainers()...)
}

// MainContainers returns the containers that are not init containers.
func (w Workload) MainContainers() []Container {
	var all []Container
	for i, c := range w.Template.Spec.Containers {
		all = append(all, Container{c, w.At("containers", i), false})
	}
	return all
}

// SplitImage splits an image reference into the name and the tag, which may be empty.
func SplitImage(image string) (name, tag string) {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		return image[:colon], image[colon+1:]
	}
	return image, ""
}

func workloadsOf(objects []*render.Object) []Workload {
	var workloads []Workload
	for _, o := range objects {
		if workload, ok := WorkloadOf(o); ok {
			workloads = append(workloads, workload)
		}
	}
	return workloads
}

// templates has the field of the pod template, by kind.
var templates = map[schema.GroupKind][]any{
	{Group: "apps", Kind: "Deployment"}:   {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}:  {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:    {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:   {"spec", "template"},
	{Group: "batch", Kind: "Job"}:         {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:     {"spec", "jobTemplate", "spec", "template"},
	{Group: "keda.sh", Kind: "ScaledJob"}: {"spec", "jobTargetRef", "template"},
	{Kind: "Pod"}:                         {},
}

// WorkloadOf decodes an object as a workload.
func WorkloadOf(o *render.Object) (Workload, bool) {
	path, found := templates[o.GroupVersionKind().GroupKind()]
	if !found {
		return Workload{}, false
	}
	content := o.Object
	for _, element := range path {
		if content, found = content[element.(string)].(map[string]any); !found {
			return Workload{}, false
		}
	}
	w := Workload{Object: o, path: path}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &w.Template); err != nil {
		return Workload{}, false
	}
	setDefaults(&w.Template.Spec)
	var scaled appsv1.Deployment
	if spec, ok := o.Object["spec"].(map[string]any); ok && spec["replicas"] != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"spec": map[string]any{"replicas": spec["replicas"]}},
			&scaled); err == nil {
			w.Replicas = scaled.Spec.Replicas
		}
	}
	return w, true
}

// setDefaults sets a default of the API server that rules judge: a volume without a
// source is an emptyDir.
func setDefaults(pod *corev1.PodSpec) {
	for i, volume := range pod.Volumes {
		if volume.VolumeSource == (corev1.VolumeSource{}) {
			pod.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
}
