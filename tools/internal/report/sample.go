package report

// Sample is the state of the system at one moment.
type Sample struct {
	// Seconds since the burst was asked for.
	Seconds  float64 `json:"seconds"`
	Visible  int     `json:"visible"`
	InFlight int     `json:"inFlight"`
	Delayed  int     `json:"delayed"`
	// Metric is the number of messages in KEDA's answer to the HPA, -1 without an answer;
	// Active is the ScaledObject's condition.
	Metric float64 `json:"metric"`
	Active bool    `json:"active"`
	// Desired is the HPA's number; Pods and Ready are the Deployment's.
	Desired int32 `json:"desired"`
	Pods    int32 `json:"pods"`
	Ready   int32 `json:"ready"`
	// Stored and DeadLettered are the numbers since the start of the run.
	Stored       int `json:"stored"`
	DeadLettered int `json:"deadLettered"`
}

// Backlog returns the messages that KEDA counts. Delayed messages are not due yet.
func (s Sample) Backlog() int { return s.Visible + s.InFlight }

// Depth returns the number of all messages in the queue.
func (s Sample) Depth() int { return s.Backlog() + s.Delayed }

// AtMinimum reports whether no more consumers than the minimum are wanted or ready.
func (s Sample) AtMinimum(minimum int32) bool {
	return max(s.Desired, s.Ready) <= minimum
}
