package world

import (
	"context"
	"math"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// run returns the results of the run.
func (w *world) run() Run {
	last := w.samples[len(w.samples)-1]
	r := Run{
		Phase: w.phase.Index, FirstSent: w.seconds(w.tally.firstSent), LastSent: w.seconds(w.tally.lastSent), Drained: -1, Settled: -1,
		Pending: w.pending, Messages: w.tally.sent, Dead: w.tally.dead,
		Requests: w.requests.Load(), Puts: w.puts.Load(), PerSecond: w.tally.perSecond, Samples: w.samples, Steps: w.steps.all,
	}
	if at, ok := w.tally.drained(); ok {
		r.Drained = w.seconds(at)
		if max(last.Desired, last.Pods, last.Ready) <= w.rest() {
			r.Settled = last.Seconds
		}
	}
	for i, s := range w.samples {
		r.Peak, r.Wanted = max(r.Peak, s.Ready), max(r.Wanted, s.Desired)
		if i > 0 {
			r.PodSeconds += float64(s.Pods) * (s.Seconds - w.samples[i-1].Seconds)
		}
	}
	took := w.tally.latencies()
	r.Measured = len(took)
	r.P50, r.P95, r.P99, r.Max = Percentile(took, 50), Percentile(took, 95), Percentile(took, 99), Percentile(took, 100)
	return r
}

// seconds returns a time in seconds since the load was asked for.
func (w *world) seconds(at time.Time) float64 {
	if at.IsZero() {
		return -1
	}
	return millis(at.Sub(w.began))
}

func millis(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// Percentile returns the smallest of sorted values that p of 100 do not exceed, in
// seconds; -1 without a value.
func Percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return -1
	}
	return millis(sorted[max(0, (len(sorted)*p+99)/100-1)])
}

// quietly returns a context in which controllers do not log.
func quietly(ctx context.Context) context.Context { return klog.NewContext(ctx, logr.Discard()) }
