package demo

import (
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// scaling says how far a burst must scale the consumers.
type scaling struct {
	report.Scaling
	// early is how many messages the consumers at the minimum can finish before
	// the HPA looks.
	early int
	// paced means that the messages do not come at once: then no scaling is demanded.
	paced bool
	// metric is the URI at which KEDA answers with the number of messages.
	metric string
}

const (
	// syncPeriod and defaultTolerance are the controller manager's defaults.
	syncPeriod       = 15 * time.Second
	defaultTolerance = 0.1
	// leastBatch is the assumed time of a batch without MSG_PROCESS_DELAY.
	leastBatch = 100 * time.Millisecond
)

// newScaling reads the consumer's settings and KEDA's HPA, which has the ScaledObject's
// values as Kubernetes applies them.
func newScaling(scaler *autoscalingv2.HorizontalPodAutoscaler, c config.Config) (scaling, error) {
	s := scaling{Scaling: report.Scaling{Minimum: 1, Maximum: scaler.Spec.MaxReplicas, Tolerance: defaultTolerance}}
	if scaler.Spec.MinReplicas != nil {
		s.Minimum = *scaler.Spec.MinReplicas
	}
	if b := scaler.Spec.Behavior; b != nil && b.ScaleUp != nil && b.ScaleUp.Tolerance != nil {
		s.Tolerance = b.ScaleUp.Tolerance.AsApproximateFloat64()
	}
	for _, metric := range scaler.Spec.Metrics {
		if metric.External != nil && metric.External.Target.AverageValue != nil {
			s.Target = metric.External.Target.AverageValue.AsApproximateFloat64()
			s.metric = metricURI(metric.External.Metric)
		}
	}
	if s.Target <= 0 {
		return s, errors.New("KEDA's HPA has no target for each consumer: the trigger of the ScaledObject must be of metricType AverageValue")
	}
	// One batch more than fits, because the first may already have begun.
	batches := int(syncPeriod/max(c.ProcessDelay, leastBatch)) + 1
	s.early = int(s.Minimum) * c.InHand() * batches
	return s, nil
}

// least returns the smallest burst that scales, whenever the HPA looks.
func (s scaling) least() int {
	return int(s.Target*float64(s.Minimum)*(1+s.Tolerance)) + s.early + 1
}

// largeReplicas is the number of consumers that a large burst must reach. A burst is
// large if its messages are enough for twice as many consumers, because some are gone
// when the HPA looks.
const largeReplicas = 10

// demand returns how many consumers must be ready at a burst's peak.
func (s scaling) demand(burst int) int32 {
	switch {
	case s.paced || burst < s.least():
		return s.Minimum
	case float64(burst) >= 2*largeReplicas*s.Target:
		return min(max(largeReplicas, s.Minimum+1), s.Maximum)
	}
	return min(s.Minimum+1, s.Maximum)
}

// note says so if a burst need not scale; empty otherwise.
func (s scaling) note(burst int) string {
	switch {
	case s.paced:
		return "messages that come over time need not scale"
	case burst >= s.least():
		return ""
	}
	return fmt.Sprintf("a burst of %d need not scale: a consumer is wanted for %g messages and %.0f %% more are tolerated, "+
		"and up to %d are gone before the HPA looks; %d is the least that must", burst, s.Target, 100*s.Tolerance, s.early, s.least())
}
