package scenario

import producer "github.com/mystique-unicorn/sales-events/apps/producer/config"

// Annotations of a ScaledObject. The first two describe a consumer that is not this
// repository's, like the flags. The third is what every burst must meet.
const (
	ServiceTimeAnnotation = "simulate.mystique-unicorn.io/service-time"
	ConcurrencyAnnotation = "simulate.mystique-unicorn.io/concurrency"
	ObjectiveAnnotation   = "simulate.mystique-unicorn.io/objective"
)

// Found is a ScaledObject as command scenario writes it: a scenario without a load, and
// further facts from the manifests.
type Found struct {
	Scenario
	// Producer is the cluster's producer for the queue; Sends reports whether there is
	// one.
	Producer producer.Config `json:"producer"`
	Sends    bool            `json:"sends"`
	// Objective is the annotation's value; empty for none.
	Objective string `json:"objective,omitempty"`
	// Fields has the places of settings in the manifests, by their names in Settings.
	Fields map[string]Place `json:"fields"`
}

// Send sets the scenario's load. With steady, the cluster's producer continues at the
// same time.
func (f *Found) Send(l Load, steady bool) {
	f.Load = l
	if steady && f.Sends {
		f.Load.Steady = &f.Producer
		f.Load.Words += " beside the cluster's producer"
	}
}

// The settings that tune changes, by name.
const (
	QueueLength = "queueLength"
	MinReplicas = "minReplicaCount"
	MaxReplicas = "maxReplicaCount"
	DownWindow  = "scaleDown.stabilizationWindowSeconds"
)

// Place is a line of a file, relative to the repository's root.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}
