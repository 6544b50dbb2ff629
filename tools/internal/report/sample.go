package report

// Sample is the system at one moment.
type Sample struct {
	// Seconds since the burst was asked for.
	Seconds  float64 `json:"seconds"`
	Visible  int     `json:"visible"`
	InFlight int     `json:"inFlight"`
	Delayed  int     `json:"delayed"`
	// Metric is the number of messages that KEDA answered the HPA with, -1 if it
	// did not answer; Active is the ScaledObject's condition.
	Metric float64 `json:"metric"`
	Active bool    `json:"active"`
	// Desired is the HPA's, Pods and Ready are the Deployment's.
	Desired int32 `json:"desired"`
	Pods    int32 `json:"pods"`
	Ready   int32 `json:"ready"`
	// Stored and DeadLettered count since the start of the run.
	Stored       int `json:"stored"`
	DeadLettered int `json:"deadLettered"`
}

// Backlog is what KEDA counts: delayed messages are not due yet.
func (s Sample) Backlog() int { return s.Visible + s.InFlight }

// Depth is all messages of the queue.
func (s Sample) Depth() int { return s.Backlog() + s.Delayed }

// AtMinimum reports whether no more than the minimum are wanted or ready.
func (s Sample) AtMinimum(minimum int32) bool {
	return max(s.Desired, s.Ready) <= minimum
}
