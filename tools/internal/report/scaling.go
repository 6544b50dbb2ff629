package report

// Scaling has the values by which the HPA decides.
type Scaling struct {
	Minimum, Maximum int32
	// Target is the number of messages for which one consumer is wanted: the
	// ScaledObject's queueLength.
	Target float64
	// Tolerance is the fraction of the target by which the HPA lets the metric exceed it.
	Tolerance float64
}
