package demo

import (
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
)

// scaling says how far a burst must scale the consumers.
type scaling struct {
	minimum, maximum int32
	// target is how many messages one consumer is wanted for: the ScaledObject's
	// queueLength.
	target float64
	// tolerance is by how much, in parts of the target, the HPA lets it be
	// exceeded.
	tolerance float64
	// early is how many messages the consumers at the minimum can finish before
	// the HPA looks.
	early int
	// metric is where KEDA answers with the number of messages.
	metric string
}

const (
	// syncPeriod and defaultTolerance are the controller manager's defaults.
	syncPeriod       = 15 * time.Second
	defaultTolerance = 0.1
	// leastBatch stands for the time of a batch without MSG_PROCESS_DELAY.
	leastBatch = 100 * time.Millisecond
)

// newScaling reads KEDA's HPA, which is the ScaledObject as Kubernetes acts on
// it, and the consumer's settings.
func newScaling(scaler *autoscalingv2.HorizontalPodAutoscaler, c config.Config) (scaling, error) {
	s := scaling{minimum: 1, maximum: scaler.Spec.MaxReplicas, tolerance: defaultTolerance}
	if scaler.Spec.MinReplicas != nil {
		s.minimum = *scaler.Spec.MinReplicas
	}
	if b := scaler.Spec.Behavior; b != nil && b.ScaleUp != nil && b.ScaleUp.Tolerance != nil {
		s.tolerance = b.ScaleUp.Tolerance.AsApproximateFloat64()
	}
	for _, metric := range scaler.Spec.Metrics {
		if metric.External != nil && metric.External.Target.AverageValue != nil {
			s.target = metric.External.Target.AverageValue.AsApproximateFloat64()
			s.metric = metricURI(metric.External.Metric)
		}
	}
	if s.target <= 0 {
		return s, errors.New("KEDA's HPA has no target for each consumer: the trigger of the ScaledObject must be of metricType AverageValue")
	}
	// One batch more than fit: the first may have begun before.
	batches := int(syncPeriod/max(c.ProcessDelay, leastBatch)) + 1
	s.early = int(s.minimum) * c.InHand() * batches
	return s, nil
}

// least is the smallest burst that scales whenever the HPA looks.
func (s scaling) least() int {
	return int(s.target*float64(s.minimum)*(1+s.tolerance)) + s.early + 1
}

// largeReplicas is what a large burst must reach. A burst is large when its
// messages are enough for twice as many: some are gone when the HPA looks.
const largeReplicas = 10

// demand is how many consumers a burst must have ready at its peak.
func (s scaling) demand(burst int) int32 {
	switch {
	case burst < s.least():
		return s.minimum
	case float64(burst) >= 2*largeReplicas*s.target:
		return min(max(largeReplicas, s.minimum+1), s.maximum)
	}
	return min(s.minimum+1, s.maximum)
}

// note says that a burst need not scale, if so.
func (s scaling) note(burst int) string {
	if burst >= s.least() {
		return ""
	}
	return fmt.Sprintf("a burst of %d need not scale: a consumer is wanted for %g messages and %.0f %% more are tolerated, "+
		"and up to %d are gone before the HPA looks; %d is the least that must", burst, s.target, 100*s.tolerance, s.early, s.least())
}
