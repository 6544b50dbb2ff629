package rules

import (
	"slices"
	"strconv"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const (
	kedaGroup = "keda.sh"
	sqsType   = "aws-sqs-queue"
)

// scaler is an object with triggers: a ScaledObject or a ScaledJob.
type scaler struct {
	object   *render.Object
	triggers []kedav1alpha1.ScaleTriggers
	// pods are what it scales; nil when that is not in the repository or of a
	// kind whose template is not known.
	pods *model.Workload
	// source names the container whose variables KEDA reads; empty for the
	// first one.
	source string
}

// container is the index of the container whose variables KEDA reads, if the
// pods have it.
func (s scaler) container() (index int, found bool) {
	switch {
	case s.pods == nil || len(s.pods.Template.Spec.Containers) == 0:
		return 0, false
	case s.source == "":
		return 0, true
	}
	for i, container := range s.pods.Template.Spec.Containers {
		if container.Name == s.source {
			return i, true
		}
	}
	return 0, false
}

// scaled is a ScaledObject with its workload, as far as they can be read.
type scaled struct {
	kedav1alpha1.ScaledObject
	scaler
}

func (r *Run) scaledObjects() []scaled {
	var all []scaled
	for _, o := range r.Cluster.Of(kedaGroup, "ScaledObject") {
		s := scaled{scaler: scaler{object: o}}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s.ScaledObject); err != nil || s.Spec.ScaleTargetRef == nil {
			continue // the schema says why
		}
		s.triggers, s.source = s.Spec.Triggers, s.Spec.ScaleTargetRef.EnvSourceContainerName
		if target := r.targetOf(s); target != nil {
			if w, ok := model.WorkloadOf(target); ok {
				s.pods = &w
			}
		}
		all = append(all, s)
	}
	return all
}

// reachesZero tells whether KEDA takes the last pods away when the triggers are
// not active.
func (s scaled) reachesZero() bool {
	return s.Spec.MinReplicaCount == nil || *s.Spec.MinReplicaCount == 0 || s.Spec.IdleReplicaCount != nil && *s.Spec.IdleReplicaCount == 0
}

// defaultCooldown is KEDA's cooldownPeriod when there is none, in seconds.
const defaultCooldown = 300

func (s scaled) cooldown() int32 {
	if s.Spec.CooldownPeriod == nil {
		return defaultCooldown
	}
	return *s.Spec.CooldownPeriod
}

func (r *Run) scalers() []scaler {
	var all []scaler
	for _, s := range r.scaledObjects() {
		all = append(all, s.scaler)
	}
	for _, o := range r.Cluster.Of(kedaGroup, "ScaledJob") {
		var job kedav1alpha1.ScaledJob
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &job); err != nil {
			continue
		}
		s := scaler{object: o, triggers: job.Spec.Triggers, source: job.Spec.EnvSourceContainerName}
		if w, ok := model.WorkloadOf(o); ok {
			s.pods = &w
		}
		all = append(all, s)
	}
	return all
}

// sqsTrigger is a ScaledObject's trigger on an SQS queue.
type sqsTrigger struct {
	scaled
	index   int
	trigger kedav1alpha1.ScaleTriggers
	// urlText is what KEDA takes for the queue's URL; empty when it is not
	// known. url is that text taken apart, if it is a queue's URL.
	urlText string
	url     queueURL
	hasURL  bool
}

func (r *Run) sqsTriggers() []sqsTrigger {
	var all []sqsTrigger
	for _, s := range r.scaledObjects() {
		for i, trigger := range s.triggers {
			if trigger.Type != sqsType {
				continue
			}
			t := sqsTrigger{scaled: s, index: i, trigger: trigger}
			t.urlText = r.queueURLOf(t)
			t.url, t.hasURL = parseQueueURL(t.urlText)
			all = append(all, t)
		}
	}
	return all
}

// queueURLOf is the trigger's own URL, before that of the container's variable.
func (r *Run) queueURLOf(t sqsTrigger) string {
	if text := t.text("queueURL"); text != "" {
		return text
	}
	container, found := t.container()
	if !found {
		return ""
	}
	variables, _ := environment(r.Cluster, *t.pods, container)
	if v := variables[t.trigger.Metadata["queueURLFromEnv"]]; v.known {
		return strings.TrimSpace(v.value)
	}
	return ""
}

// at is a key of the trigger's metadata as a place for findings.
func (t sqsTrigger) at(key string) at {
	return on(t.object, "spec", "triggers", t.index, "metadata", key)
}

// urlKey is the key that says the queue's URL.
func (t sqsTrigger) urlKey() string {
	if t.text("queueURL") == "" && t.text("queueURLFromEnv") != "" {
		return "queueURLFromEnv"
	}
	return "queueURL"
}

// text is a value as KEDA takes it: one of spaces alone is none.
func (t sqsTrigger) text(key string) string { return strings.TrimSpace(t.trigger.Metadata[key]) }

// flag is a value that is true or false; one that KEDA cannot read counts as
// the default.
func (t sqsTrigger) flag(key string, otherwise bool) bool {
	value, err := strconv.ParseBool(t.text(key))
	if err != nil {
		return otherwise
	}
	return value
}

// queue is the declared queue that the trigger names: where several have the
// name, one of the trigger's region.
func (t sqsTrigger) queue(queues []queue) (queue, bool) {
	if !t.hasURL {
		return queue{}, false
	}
	var named []queue
	for _, q := range queues {
		if q.name == t.url.name {
			named = append(named, q)
		}
	}
	if len(named) == 0 {
		return queue{}, false
	}
	here := slices.IndexFunc(named, func(q queue) bool { return q.region == t.text("awsRegion") })
	return named[max(here, 0)], true
}
