package model

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// KEDAGroup is KEDA's API group.
const KEDAGroup = "keda.sh"

// SQSType is the type of KEDA's triggers for SQS queues.
const SQSType = "aws-sqs-queue"

// Scaler is an object with triggers: a ScaledObject or a ScaledJob.
type Scaler struct {
	Object   *render.Object
	Triggers []kedav1alpha1.ScaleTriggers
	// Pods is the scaled workload; nil if it is not in the repository, or if the kind's
	// pod template is unknown.
	Pods *Workload
	// Source is the name of the container whose variables KEDA reads; empty for the first
	// one.
	Source string
	// Most is the maximum number of pods, or jobs, that KEDA starts.
	Most int
}

// Container returns the container whose variables KEDA reads, if the pods have it.
func (s Scaler) Container() (Container, bool) {
	if s.Pods == nil {
		return Container{}, false
	}
	containers := s.Pods.MainContainers()
	i := slices.IndexFunc(containers, func(c Container) bool { return s.Source == "" || c.Name == s.Source })
	if i < 0 {
		return Container{}, false
	}
	return containers[i], true
}

// ScaledObject is a ScaledObject of KEDA and its workload.
type ScaledObject struct {
	kedav1alpha1.ScaledObject
	Scaler
}

// ScaledObjects returns those that can be decoded; the schema reports the others.
func (c *Cluster) ScaledObjects() []ScaledObject {
	all := c.scaledObjects()
	for _, s := range all {
		c.reading(s.Object)
		if s.Pods != nil {
			c.reading(s.Pods.Object)
		}
	}
	return all
}

func scaledObjectsOf(c *Cluster) []ScaledObject {
	var all []ScaledObject
	for _, o := range c.Of(KEDAGroup, "ScaledObject") {
		s := ScaledObject{Scaler: Scaler{Object: o}}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s.ScaledObject); err != nil || s.Spec.ScaleTargetRef == nil {
			continue
		}
		s.Triggers, s.Source = s.Spec.Triggers, s.Spec.ScaleTargetRef.EnvSourceContainerName
		s.Most = int(s.GetHPAMaxReplicas())
		if target := c.TargetOf(s); target != nil {
			if w, ok := WorkloadOf(target); ok {
				s.Pods = &w
			}
		}
		all = append(all, s)
	}
	return all
}

// TargetOf returns the object that a ScaledObject scales, or nil.
func (c *Cluster) TargetOf(s ScaledObject) *render.Object {
	found := c.Same(s.Object, s.TargetPlace().Key)
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// TargetPlace returns the place of what a ScaledObject scales, whether it exists or not.
// KEDA's default kind is Deployment.
func (s ScaledObject) TargetPlace() Place {
	ref := s.Spec.ScaleTargetRef
	kind := schema.GroupKind{Group: "apps", Kind: cmp.Or(ref.Kind, "Deployment")}
	if ref.APIVersion != "" {
		kind.Group = GroupOf(ref.APIVersion)
	}
	return Place{Target(s.Object), render.Key{GroupKind: kind, Namespace: s.Namespace, Name: ref.Name}}
}

// GroupOf returns the group of an apiVersion; empty for the core group.
func GroupOf(apiVersion string) string {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return ""
	}
	return version.Group
}

// ReachesZero reports whether KEDA removes the last pods when the triggers are not
// active.
func (s ScaledObject) ReachesZero() bool {
	return s.Spec.MinReplicaCount == nil || *s.Spec.MinReplicaCount == 0 || s.Spec.IdleReplicaCount != nil && *s.Spec.IdleReplicaCount == 0
}

// defaultCooldown is KEDA's default for cooldownPeriod, in seconds.
const defaultCooldown = 300

// Cooldown returns how long KEDA waits before it removes the last pods, in seconds.
func (s ScaledObject) Cooldown() int32 {
	if s.Spec.CooldownPeriod == nil {
		return defaultCooldown
	}
	return *s.Spec.CooldownPeriod
}

// HPAName returns the name of the HorizontalPodAutoscaler that KEDA creates.
func (s ScaledObject) HPAName() string { return cmp.Or(s.HPAConfig().Name, "keda-hpa-"+s.Name) }

// HPAConfig returns a ScaledObject's settings for its HorizontalPodAutoscaler.
func (s ScaledObject) HPAConfig() kedav1alpha1.HorizontalPodAutoscalerConfig {
	if s.Spec.Advanced == nil || s.Spec.Advanced.HorizontalPodAutoscalerConfig == nil {
		return kedav1alpha1.HorizontalPodAutoscalerConfig{}
	}
	return *s.Spec.Advanced.HorizontalPodAutoscalerConfig
}

// Scalers returns the ScaledObjects and the ScaledJobs that can be decoded.
func (c *Cluster) Scalers() []Scaler {
	var all []Scaler
	for _, s := range c.ScaledObjects() {
		all = append(all, s.Scaler)
	}
	for _, o := range c.Of(KEDAGroup, "ScaledJob") {
		var job kedav1alpha1.ScaledJob
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &job); err != nil {
			continue
		}
		s := Scaler{Object: o, Triggers: job.Spec.Triggers, Source: job.Spec.EnvSourceContainerName, Most: int(job.MaxReplicaCount())}
		if w, ok := WorkloadOf(o); ok {
			s.Pods = &w
		}
		all = append(all, s)
	}
	return all
}

// SQSTrigger is a trigger for an SQS queue.
type SQSTrigger struct {
	Scaler
	// Owner is the ScaledObject with the trigger; nil if it is a ScaledJob's.
	Owner   *ScaledObject
	Index   int
	Trigger kedav1alpha1.ScaleTriggers
	// URLText is the text that KEDA uses as the queue's URL; empty if it is unknown.
	URLText string
	URL     QueueURL
	HasURL  bool
}

// SQSTriggers returns the triggers for SQS queues of all ScaledObjects and ScaledJobs.
func (c *Cluster) SQSTriggers() []SQSTrigger {
	owners := map[*render.Object]*ScaledObject{}
	for _, s := range c.ScaledObjects() {
		owners[s.Object] = &s
	}
	var all []SQSTrigger
	for _, s := range c.Scalers() {
		for i, trigger := range s.Triggers {
			if trigger.Type != SQSType {
				continue
			}
			t := SQSTrigger{Scaler: s, Owner: owners[s.Object], Index: i, Trigger: trigger}
			t.URLText = c.queueURLOf(t)
			t.URL, t.HasURL = ParseQueueURL(t.URLText)
			all = append(all, t)
		}
	}
	return all
}

// queueURLOf returns the trigger's own URL or, without one, the value of the container's
// variable.
func (c *Cluster) queueURLOf(t SQSTrigger) string {
	if text := t.Text("queueURL"); text != "" {
		return text
	}
	container, found := t.Container()
	if !found {
		return ""
	}
	variables, _ := c.Environment(container)
	if v := variables[t.Trigger.Metadata["queueURLFromEnv"]]; v.Known {
		return strings.TrimSpace(v.Value)
	}
	return ""
}

// At returns a key of the trigger's metadata as a field of its object.
func (t SQSTrigger) At(key string) Field {
	return At(t.Object, "spec", "triggers", t.Index, "metadata", key)
}

// URLKey returns the metadata key with the queue's URL.
func (t SQSTrigger) URLKey() string {
	if t.Text("queueURL") == "" && t.Text("queueURLFromEnv") != "" {
		return "queueURLFromEnv"
	}
	return "queueURL"
}

// Text returns a value as KEDA reads it: without surrounding spaces.
func (t SQSTrigger) Text(key string) string { return strings.TrimSpace(t.Trigger.Metadata[key]) }

// Flag returns a boolean value. One that KEDA cannot parse counts as the default.
func (t SQSTrigger) Flag(key string, otherwise bool) bool {
	value, err := strconv.ParseBool(t.Text(key))
	if err != nil {
		return otherwise
	}
	return value
}

// Queue returns the declared queue that the trigger names. If several have the name, the
// one in the trigger's region counts.
func (t SQSTrigger) Queue(queues []Queue) (Queue, bool) {
	if !t.HasURL {
		return Queue{}, false
	}
	named := slices.DeleteFunc(slices.Clone(queues), func(q Queue) bool { return q.Name != t.URL.Name })
	if len(named) == 0 {
		return Queue{}, false
	}
	here := slices.IndexFunc(named, func(q Queue) bool { return q.Region == t.Text("awsRegion") })
	return named[max(here, 0)], true
}

// Authentication returns the object that an authenticationRef names, or nil.
func (c *Cluster) Authentication(from *render.Object, reference *kedav1alpha1.AuthenticationRef) *render.Object {
	namespace := from.GetNamespace()
	if AuthenticationKind(reference) == "ClusterTriggerAuthentication" {
		namespace = ""
	}
	return c.Find(from, KEDAGroup, AuthenticationKind(reference), namespace, reference.Name)
}

// AuthenticationKind returns the kind that an authenticationRef names.
func AuthenticationKind(reference *kedav1alpha1.AuthenticationRef) string {
	return cmp.Or(reference.Kind, "TriggerAuthentication")
}

// AuthenticationSpec decodes a TriggerAuthentication or a ClusterTriggerAuthentication,
// which have the same specification.
func AuthenticationSpec(o *render.Object) (kedav1alpha1.TriggerAuthenticationSpec, bool) {
	var authentication kedav1alpha1.TriggerAuthentication
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &authentication)
	return authentication.Spec, err == nil
}

// AuthenticationSupplies reports whether a trigger may get a parameter from its
// authentication. One that cannot be decoded may supply any.
func (c *Cluster) AuthenticationSupplies(from *render.Object, reference *kedav1alpha1.AuthenticationRef, parameter string) bool {
	if reference == nil {
		return false
	}
	object := c.Authentication(from, reference)
	if object == nil {
		return true
	}
	spec, readable := AuthenticationSpec(object)
	return !readable || Supplies(spec, parameter)
}

// Supplies reports whether an authentication has a parameter, or gets its parameters from
// a place that cannot be seen.
func Supplies(spec kedav1alpha1.TriggerAuthenticationSpec, parameter string) bool {
	if spec.FilePath != "" || spec.HashiCorpVault != nil || spec.AzureKeyVault != nil || spec.GCPSecretManager != nil ||
		spec.AwsSecretManager != nil {
		return true
	}
	return slices.ContainsFunc(spec.Env, func(env kedav1alpha1.AuthEnvironment) bool { return env.Parameter == parameter }) ||
		slices.ContainsFunc(spec.ConfigMapTargetRef, func(ref kedav1alpha1.AuthConfigMapTargetRef) bool { return ref.Parameter == parameter }) ||
		slices.ContainsFunc(spec.SecretTargetRef, func(ref kedav1alpha1.AuthSecretTargetRef) bool { return ref.Parameter == parameter })
}

// WholeNumber parses a number as KEDA does: as JSON.
func WholeNumber(text string) (number int64, err error) {
	err = json.Unmarshal([]byte(text), &number)
	return number, err
}
