package scenario

import producer "github.com/mystique-unicorn/sales-events/apps/producer/config"

// Annotations of a ScaledObject. The first two say of somebody else's consumer what flags
// say, the third what must hold of every burst.
const (
	ServiceTimeAnnotation = "simulate.mystique-unicorn.io/service-time"
	ConcurrencyAnnotation = "simulate.mystique-unicorn.io/concurrency"
	ObjectiveAnnotation   = "simulate.mystique-unicorn.io/objective"
)

// Found is a ScaledObject as command scenario writes it: a scenario without a load, and
// what else the manifests say.
type Found struct {
	Scenario
	// Producer is the cluster's producer that sends to the queue; Sends reports whether
	// there is one.
	Producer producer.Config `json:"producer"`
	Sends    bool            `json:"sends"`
	// Objective is what the annotation says; empty for none.
	Objective string `json:"objective,omitempty"`
	// Fields are where settings are said, by name: those of Settings.
	Fields map[string]Place `json:"fields"`
}

// Send gives the scenario its load, beside which the cluster's producer goes on where
// steady says so.
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

// Place is a line of a file, from the repository's root.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}
