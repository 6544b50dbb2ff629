package report

// Scaling is how the HPA decides.
type Scaling struct {
	Minimum, Maximum int32
	// Target is how many messages one consumer is wanted for: the ScaledObject's
	// queueLength.
	Target float64
	// Tolerance is by how much, in parts of the target, the HPA lets it be exceeded.
	Tolerance float64
}
