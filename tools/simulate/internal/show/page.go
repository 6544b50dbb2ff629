package show

import (
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// tolerance is the HPA's default.
const tolerance = 0.1

// Report returns the typical run in the form of a report of make demo.
func Report(s scenario.Scenario, p outcome.Prediction, commit string, uncommitted bool) report.Report {
	r := p.Typical
	e := report.Evidence{
		Started: time.Now(), Commit: commit, Uncommitted: uncommitted, Verdict: verdict(r),
		First: r.FirstSent, Last: r.LastSent, StoredAt: storedAt(r), Took: []float64{}, Fine: true,
		Sent: sent(r), Samples: r.Samples, Delay: s.Queue.Delay.Seconds(),
		Scaling: report.Scaling{
			Minimum: s.Minimum(), Maximum: s.ScaledObject.GetHPAMaxReplicas(), Target: float64(s.Trigger.Target), Tolerance: tolerance,
		},
	}
	simulated := report.New(e)
	simulated.Simulated, simulated.Prediction, simulated.Why = true, &p.Prediction, p.Why
	simulated.Latency = report.Latency{
		Events:     r.Measured,
		P50:        r.P50,
		P95:        r.P95,
		P99:        r.P99,
		Max:        r.Max,
		Resolution: 0.001,
		Histogram:  []int{},
	}
	return simulated
}

// verdict returns the verdict on a run. A simulated run can lose nothing: every message
// was deleted after it was stored or dead-lettered, or else the queue was not drained.
func verdict(r world.Run) report.Verdict {
	v := report.Verdict{
		Produced: r.Messages, Good: r.Measured, Stored: r.Measured, Bad: r.Dead, Quarantined: r.Dead,
		DuplicatesFolded: r.Messages - r.Measured - r.Dead,
		FirstScaleUp:     -1, TimeToPeak: -1, TimeToDrain: r.Drained, Reasons: []string{},
		Note: "simulated: nothing ran in a cluster",
	}
	v.Measure(r.Samples)
	v.Complain(0)
	v.OK = true
	if r.Drained < 0 {
		v.DuplicatesFolded = 0
		v.Fail("the queue is never drained")
	}
	return v
}

// sent returns the times of the messages, spread evenly between the first and the last.
func sent(r world.Run) []float64 {
	at := make([]float64, r.Messages)
	for i := range at {
		at[i] = r.FirstSent + (r.LastSent-r.FirstSent)*float64(i)/float64(len(at))
	}
	return at
}

// storedAt returns the times at which objects were written, in seconds.
func storedAt(r world.Run) []float64 {
	var at []float64
	for second, n := range r.PerSecond {
		at = slices.Concat(at, slices.Repeat([]float64{float64(second)}, n))
	}
	return at
}
