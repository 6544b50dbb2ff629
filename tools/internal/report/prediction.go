package report

import (
	"fmt"
	"math"
)

// Prediction is the result of simulating a run in many phases. The phase, when the HPA
// looks relative to the burst, is chance.
type Prediction struct {
	// Phases is the number of simulated runs, Undrained the number of them that never
	// drained.
	Phases    int `json:"phases"`
	Undrained int `json:"undrained"`
	// Drain is the time until the last message of the load is handled. P50, P95 and P99
	// are the age of messages when they were stored, in seconds. Peak is the most ready
	// consumers.
	Drain      Spread `json:"drain"`
	P50        Spread `json:"p50"`
	P95        Spread `json:"p95"`
	P99        Spread `json:"p99"`
	Peak       Spread `json:"peak"`
	PodSeconds Spread `json:"podSeconds"`
	// Band is the course of the runs over time.
	Band []BandPoint `json:"band"`
}

// Spread has the values that 5, 50 and 95 of 100 runs do not exceed; -1 means never.
type Spread struct {
	P5  float64 `json:"p5"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

// Holds reports whether a value is within the spread.
func (s Spread) Holds(value float64) bool {
	return value >= s.P5 && (value <= s.P95 || s.P95 < 0)
}

// BandPoint is the spread at one moment.
type BandPoint struct {
	Seconds float64 `json:"seconds"`
	Depth   Spread  `json:"depth"`
	Wanted  Spread  `json:"wanted"`
	Ready   Spread  `json:"ready"`
}

// Compared is a predicted figure and the measured one.
type Compared struct {
	Name      string
	Predicted Spread
	Measured  float64
	unit      string
}

// Error returns the error of the predicted median, as a fraction of the measured value.
func (c Compared) Error() float64 {
	if c.Measured <= 0 || c.Predicted.P50 < 0 {
		return math.NaN()
	}
	return (c.Predicted.P50 - c.Measured) / c.Measured
}

// Within reports whether the measured value is within the predicted spread.
func (c Compared) Within() bool { return c.Measured >= 0 && c.Predicted.Holds(c.Measured) }

// Words returns a row of a table: the prediction, the measured value, and the error.
func (c Compared) Words() (predicted, measured, off string) {
	number := func(v float64) string {
		if v < 0 {
			return "never"
		}
		if c.unit == "s" && v < 100 {
			return fmt.Sprintf("%.1f s", v)
		}
		return joinUnit(count(int(math.Round(v))), c.unit)
	}
	predicted = fmt.Sprintf("%s (%s to %s)", number(c.Predicted.P50), number(c.Predicted.P5), number(c.Predicted.P95))
	off = "not comparable"
	if e := c.Error(); !math.IsNaN(e) {
		off = fmt.Sprintf("%+.0f %%", 100*e)
	}
	if c.Within() {
		off += ", within the band"
	}
	return predicted, number(c.Measured), off
}

func joinUnit(text, unit string) string {
	if unit == "" {
		return text
	}
	return text + " " + unit
}

// Comparison compares the prediction with the run.
func (r Report) Comparison() []Compared {
	if r.Prediction == nil {
		return nil
	}
	p := r.Prediction
	return []Compared{
		{"until drained", p.Drain, r.Verdict.TimeToDrain, "s"},
		{"latency, p50", p.P50, r.Latency.P50, "s"},
		{"latency, p95", p.P95, r.Latency.P95, "s"},
		{"latency, p99", p.P99, r.Latency.P99, "s"},
		{"consumers at the peak", p.Peak, float64(r.Verdict.PeakReplicas), ""},
		{"pod-seconds", p.PodSeconds, r.PodSeconds(), ""},
	}
}

// PodSeconds returns the sum of the times for which pods existed during the run.
func (r Report) PodSeconds() (sum float64) {
	for i, s := range r.Samples {
		if i > 0 {
			sum += float64(s.Pods) * (s.Seconds - r.Samples[i-1].Seconds)
		}
	}
	return sum
}
