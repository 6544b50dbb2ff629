// Package outcome turns many runs into answers for somebody who is about to push: how
// long the queue takes to drain, how old messages become, how many pods there are, what
// that costs, and why. It makes no runs.
package outcome

import (
	"cmp"
	"math"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// Prediction is a scenario with the results of its runs.
type Prediction struct {
	// Name is the name of the ScaledObject, Load its load in words.
	Name string `json:"name"`
	Load string `json:"load"`
	report.Prediction
	Cost Cost `json:"cost"`
	// Minimum is the smallest number of pods.
	Minimum int32 `json:"minimum"`
	// Pending is the most pods that found no node in any run.
	Pending int `json:"pending"`
	// Why are the steps of the typical run, in words.
	Why []string `json:"why"`
	// Assumed lists, in words, what the manifests do not say and is assumed.
	Assumed []string `json:"assumed"`
	// Typical is the run with the median drain.
	Typical world.Run `json:"typical"`
}

// New evaluates runs. Without samples the prediction has no band.
func New(s scenario.Scenario, runs []world.Run) Prediction {
	of := func(figure func(world.Run) float64) report.Spread {
		values := make([]float64, len(runs))
		for i, r := range runs {
			values[i] = figure(r)
		}
		return spread(values)
	}
	p := Prediction{
		Name: s.Name(), Load: s.Load.Words, Minimum: s.Minimum(), Assumed: s.Assumed,
		Prediction: report.Prediction{
			Phases:     len(runs),
			Drain:      of(func(r world.Run) float64 { return r.Drained }),
			P50:        of(func(r world.Run) float64 { return r.P50 }),
			P95:        of(func(r world.Run) float64 { return r.P95 }),
			P99:        of(func(r world.Run) float64 { return r.P99 }),
			Peak:       of(func(r world.Run) float64 { return float64(r.Peak) }),
			PodSeconds: of(func(r world.Run) float64 { return r.PodSeconds }),
			Band:       band(runs),
		},
		Cost: newCost(s, runs),
	}
	for _, r := range runs {
		p.Pending = max(p.Pending, r.Pending)
		if r.Drained < 0 {
			p.Undrained++
		}
	}
	p.Typical = typical(runs, p.Drain.P50)
	p.Why = why(s, p.Typical)
	return p
}

// spread returns the spread of values. A negative value means never, and counts as longer
// than all others.
func spread(values []float64) report.Spread {
	sorted := slices.Clone(values)
	for i, v := range sorted {
		if v < 0 {
			sorted[i] = math.Inf(1)
		}
	}
	slices.Sort(sorted)
	at := func(p int) float64 {
		v := sorted[max(0, (len(sorted)*p+99)/100-1)]
		if math.IsInf(v, 1) {
			return -1
		}
		return report.Millis(v)
	}
	return report.Spread{P5: at(5), P50: at(50), P95: at(95)}
}

// typical returns the first of the runs that are closest to the median.
func typical(runs []world.Run, median float64) world.Run {
	return slices.MinFunc(runs, func(a, b world.Run) int {
		return cmp.Compare(math.Abs(a.Drained-median), math.Abs(b.Drained-median))
	})
}

// bandPoints is about the largest number of points in a band.
const bandPoints = 600

func band(runs []world.Run) []report.BandPoint {
	end, every := 0.0, 1.0
	for _, r := range runs {
		if n := len(r.Samples); n > 1 {
			end = max(end, r.Samples[n-1].Seconds)
			every = max(every, r.Samples[1].Seconds-r.Samples[0].Seconds)
		}
	}
	every *= math.Ceil(max(1, end/every/bandPoints))
	points := []report.BandPoint{}
	next := make([]int, len(runs)) // for each run, the first sample that is later
	for at := 0.0; end > 0 && at <= end; at += every {
		var depth, wanted, ready []float64
		for i, r := range runs {
			for next[i] < len(r.Samples) && r.Samples[next[i]].Seconds <= at {
				next[i]++
			}
			s := r.Samples[max(0, next[i]-1)]
			depth, wanted, ready = append(depth, float64(s.Depth())), append(wanted, float64(s.Desired)), append(ready, float64(s.Ready))
		}
		points = append(points, report.BandPoint{Seconds: at, Depth: spread(depth), Wanted: spread(wanted), Ready: spread(ready)})
	}
	return points
}
