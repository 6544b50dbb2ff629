// Package scenario defines the input of a simulation: a ScaledObject, the consumer that
// it scales, the queue, and the load. Command scenario makes one from a rendered cluster.
// Command simulate, which is a separate module, runs it. What passes between them is
// plain data, and this package must not know either.
package scenario

import (
	"fmt"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// Scenario is the input of one simulation.
type Scenario struct {
	// Cluster is the cluster's name, or empty.
	Cluster      string                    `json:"cluster"`
	ScaledObject kedav1alpha1.ScaledObject `json:"scaledObject"`
	Trigger      Trigger                   `json:"trigger"`
	Consumer     Consumer                  `json:"consumer"`
	Queue        Queue                     `json:"queue"`
	Load         Load                      `json:"load"`
	Parts        parts.Parts               `json:"parts"`
	// Assumed lists, in words, what the manifests do not say and is assumed.
	Assumed []string `json:"assumed"`
}

// Name returns the names of the ScaledObject and its cluster.
func (s Scenario) Name() string {
	name := s.ScaledObject.Namespace + "/" + s.ScaledObject.Name
	if s.Cluster != "" {
		name = s.Cluster + ": " + name
	}
	return name
}

// Minimum returns the smallest number of pods.
func (s Scenario) Minimum() int32 {
	switch {
	case s.ScaledObject.Spec.IdleReplicaCount != nil:
		return *s.ScaledObject.Spec.IdleReplicaCount
	case s.ScaledObject.Spec.MinReplicaCount != nil:
		return *s.ScaledObject.Spec.MinReplicaCount
	}
	return 0
}

// Trigger says what KEDA reads from a queue, and how it counts.
type Trigger struct {
	// Metric is the metric's name for the HPA.
	Metric string `json:"metric"`
	// Target is the number of messages for which one pod is wanted. The trigger is active
	// above Activation.
	Target     int64 `json:"target"`
	Activation int64 `json:"activation"`
	// InFlight and Delayed say which messages count besides the visible ones.
	InFlight bool `json:"inFlight"`
	Delayed  bool `json:"delayed"`
	// Cached is useCachedMetrics: the HPA gets the result of KEDA's last poll.
	Cached bool `json:"cached"`
}

// DownWindow returns the HPA's stabilization window for scaling down, in seconds.
func (s Scenario) DownWindow() int32 {
	if a := s.ScaledObject.Spec.Advanced; a != nil && a.HorizontalPodAutoscalerConfig != nil &&
		a.HorizontalPodAutoscalerConfig.Behavior != nil {
		if down := a.HorizontalPodAutoscalerConfig.Behavior.ScaleDown; down != nil && down.StabilizationWindowSeconds != nil {
			return *down.StabilizationWindowSeconds
		}
	}
	return 300 // kube-controller-manager's default
}

// Consumer is the program of the pods.
type Consumer struct {
	// Settings are the settings of this repository's consumer. For another consumer they
	// have a batch of one, and Service is set.
	Settings consumer.Config `json:"settings"`
	// Service is the time that another consumer takes for a message; nil for this
	// repository's, which takes the time of Store.
	Service *parts.Distribution `json:"service,omitempty"`
	// ProbeDelay and ProbePeriod are those of the readiness probe: a pod becomes ready up
	// to one period after it works.
	ProbeDelay  time.Duration `json:"probeDelay"`
	ProbePeriod time.Duration `json:"probePeriod"`
	// CPU and Memory are a pod's requests: cores and bytes.
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
}

// Queue is the queue in which the messages wait.
type Queue struct {
	Name        string        `json:"name"`
	Delay       time.Duration `json:"delay"`
	Visibility  time.Duration `json:"visibility"`
	MaxReceives int           `json:"maxReceives"`
}

// Load is what is sent. The messages of the burst or of the trace are measured; a steady
// producer may send others at the same time.
type Load struct {
	// Burst has the settings of the producer whose messages are measured. Trace is the
	// trace that it replays once, instead of its own pace.
	Burst producer.Config `json:"burst"`
	Trace trace.Trace     `json:"trace,omitempty"`
	// Steady is the producer that always runs; nil for none.
	Steady *producer.Config `json:"steady,omitempty"`
	// Words describes the load.
	Words string `json:"words"`
}

// Lasts returns how long the measured load takes at its pace; 0 if it is sent at once.
func (l Load) Lasts() time.Duration {
	switch {
	case len(l.Trace) > 0:
		return l.Trace.Duration()
	case l.Burst.MsgsPerSec > 0:
		return time.Duration(l.Burst.Total) * time.Second / time.Duration(l.Burst.MsgsPerSec)
	default:
		return time.Duration(l.Burst.Total*l.Burst.WaitSeconds) * time.Second
	}
}

// Flat returns a burst of messages that a producer with these settings sends at once.
func Flat(c producer.Config, messages int) Load {
	c.Total, c.WaitSeconds, c.MsgsPerSec, c.Trace = messages, 0, 0, ""
	return Load{Burst: c, Words: fmt.Sprintf("a burst of %d messages", messages)}
}

// Replayed returns a trace that a producer with these settings replays once.
func Replayed(c producer.Config, name string, t trace.Trace) Load {
	c.Total, c.WaitSeconds, c.MsgsPerSec, c.Trace = t.Messages(), 0, 0, name
	// The trace sets the pace: if each call waited for the one before, they would set it.
	c.Concurrency = max(c.Concurrency, 16)
	return Load{Burst: c, Trace: t, Words: fmt.Sprintf("%d messages of %s over %s", t.Messages(), name, t.Duration())}
}

// Foreign returns the settings with which this repository's consumer represents another
// one.
func Foreign(concurrency int) consumer.Config {
	return consumer.Config{
		Queue: "q", DeadLetterQueue: "d", Bucket: "b", BatchSize: min(10, concurrency), Concurrency: concurrency,
		Backoff: time.Second, BackoffMax: time.Second,
	}
}
