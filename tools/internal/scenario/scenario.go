// Package scenario is what is simulated: a ScaledObject, the consumer that it scales, the
// queue, and the load. Command scenario makes one of a rendered cluster, and command
// simulate, which is a module of its own, runs it: what goes between the two is plain
// data, and this package knows neither.
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

// Scenario is one thing to simulate.
type Scenario struct {
	// Cluster names the cluster, and is empty for none.
	Cluster      string                    `json:"cluster"`
	ScaledObject kedav1alpha1.ScaledObject `json:"scaledObject"`
	Trigger      Trigger                   `json:"trigger"`
	Consumer     Consumer                  `json:"consumer"`
	Queue        Queue                     `json:"queue"`
	Load         Load                      `json:"load"`
	Parts        parts.Parts               `json:"parts"`
	// Assumed are what was not said and is taken for granted, in words.
	Assumed []string `json:"assumed"`
}

// Name is the ScaledObject with its cluster.
func (s Scenario) Name() string {
	name := s.ScaledObject.Namespace + "/" + s.ScaledObject.Name
	if s.Cluster != "" {
		name = s.Cluster + ": " + name
	}
	return name
}

// Minimum is the least number of pods.
func (s Scenario) Minimum() int32 {
	switch {
	case s.ScaledObject.Spec.IdleReplicaCount != nil:
		return *s.ScaledObject.Spec.IdleReplicaCount
	case s.ScaledObject.Spec.MinReplicaCount != nil:
		return *s.ScaledObject.Spec.MinReplicaCount
	}
	return 0
}

// Trigger is what KEDA takes of a queue, and how it counts.
type Trigger struct {
	// Metric is the name that the HPA asks for.
	Metric string `json:"metric"`
	// Target is how many messages a pod is wanted for. The trigger is active above
	// Activation.
	Target     int64 `json:"target"`
	Activation int64 `json:"activation"`
	// InFlight and Delayed say what counts beside the visible messages.
	InFlight bool `json:"inFlight"`
	Delayed  bool `json:"delayed"`
	// Cached is useCachedMetrics: the HPA gets what KEDA's last poll found.
	Cached bool `json:"cached"`
}

// DownWindow is the HPA's window for scaling down, in seconds.
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
	// Settings are those of this repository's consumer. It stands in for somebody else's
	// with a batch of one and a Service.
	Settings consumer.Config `json:"settings"`
	// Service is how long somebody else's consumer works on a message; nil for ours, which
	// takes what Store takes.
	Service *parts.Distribution `json:"service,omitempty"`
	// ProbeDelay and ProbePeriod are those of the readiness probe: a pod is ready some
	// time within a period after it works.
	ProbeDelay  time.Duration `json:"probeDelay"`
	ProbePeriod time.Duration `json:"probePeriod"`
	// Requests are processors and bytes of memory that a pod asks for.
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
}

// Queue is what the messages wait in.
type Queue struct {
	Name        string        `json:"name"`
	Delay       time.Duration `json:"delay"`
	Visibility  time.Duration `json:"visibility"`
	MaxReceives int           `json:"maxReceives"`
}

// Load is what is sent. Measured messages are those of the burst or of the trace; a steady
// producer beside them goes on.
type Load struct {
	// Burst are the settings of the producer whose messages are measured; Trace is what it
	// replays, once, instead of its pace.
	Burst producer.Config `json:"burst"`
	Trace trace.Trace     `json:"trace,omitempty"`
	// Steady is the producer that runs all the time; nil for none.
	Steady *producer.Config `json:"steady,omitempty"`
	// Words say the load.
	Words string `json:"words"`
}

// Lasts is how long the measured load takes at its pace; 0 for flat out.
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

// Flat is a burst of so many messages, sent flat out by a producer of these settings.
func Flat(c producer.Config, messages int) Load {
	c.Total, c.WaitSeconds, c.MsgsPerSec, c.Trace = messages, 0, 0, ""
	return Load{Burst: c, Words: fmt.Sprintf("a burst of %d messages", messages)}
}

// Replayed is a trace, sent once by a producer of these settings.
func Replayed(c producer.Config, name string, t trace.Trace) Load {
	c.Total, c.WaitSeconds, c.MsgsPerSec, c.Trace = t.Messages(), 0, 0, name
	// The pace is the trace's: calls that follow each other would be another one.
	c.Concurrency = max(c.Concurrency, 16)
	return Load{Burst: c, Trace: t, Words: fmt.Sprintf("%d messages of %s over %s", t.Messages(), name, t.Duration())}
}

// Foreign are the settings with which this repository's consumer stands in for another.
func Foreign(concurrency int) consumer.Config {
	return consumer.Config{
		Queue: "q", DeadLetterQueue: "d", Bucket: "b", BatchSize: min(10, concurrency), Concurrency: concurrency,
		Backoff: time.Second, BackoffMax: time.Second,
	}
}
