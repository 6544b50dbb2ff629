package report

// Scaling is how the HPA decides.
type Scaling struct {
	Minimum, Maximum int32
	// Target is how many messages one consumer is wanted for: the ScaledObject's
	// queueLength.
	Target float64
	// Tolerance is the fraction of the target by which the HPA lets the metric exceed it.
	Tolerance float64
}
