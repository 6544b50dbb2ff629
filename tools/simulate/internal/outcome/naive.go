package outcome

import (
	"math"
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// Naive returns the prediction by KEDA's formula alone: at each look of the HPA there are
// at once as many pods as the depth divided by queueLength, rounded up, each with a
// constant rate. The simulation must be closer to the measurements than this.
func Naive(s scenario.Scenario, phases int) []world.Run {
	runs := make([]world.Run, phases)
	for phase := range runs {
		runs[phase] = naive(s, world.Phase{Index: phase, Of: phases})
	}
	return runs
}

// naiveStep is the time step, in seconds.
const naiveStep = 0.1

func naive(s scenario.Scenario, phase world.Phase) world.Run {
	arrivals := arrivalsOf(s)
	end := arrivals[len(arrivals)-1]
	rate, period, window := rateOf(s), s.Parts.SyncPeriod.Seconds(), float64(s.DownWindow())
	next := phase.Look(s.Parts.SyncPeriod).Seconds()
	least, most := float64(s.Minimum()), float64(s.ScaledObject.GetHPAMaxReplicas())
	pods, taken, sent := least, 0.0, 0
	r := world.Run{Phase: phase.Index, Drained: -1, Messages: len(arrivals)}
	var wanted []struct{ at, pods float64 }
	var ages []time.Duration
	for now := 0.0; now < end+patience; now += naiveStep {
		for sent < len(arrivals) && arrivals[sent] <= now {
			sent++
		}
		if now >= next {
			next += period
			asked := min(most, max(least, math.Ceil((float64(sent)-taken)/float64(s.Trigger.Target))))
			wanted = append(wanted, struct{ at, pods float64 }{now, asked})
			pods = asked
			for _, w := range wanted {
				if now-w.at <= window {
					pods = max(pods, w.pods)
				}
			}
		}
		before := int(taken)
		taken = min(float64(sent), taken+pods*rate*naiveStep)
		for n := before; n < int(taken); n++ {
			ages = append(ages, time.Duration((now-arrivals[n])*float64(time.Second)))
		}
		r.PodSeconds += pods * naiveStep
		r.Peak = max(r.Peak, int32(pods))
		if r.Drained < 0 && int(taken) == len(arrivals) {
			r.Drained = now
		}
		if r.Drained >= 0 && pods <= least {
			break
		}
	}
	slices.Sort(ages)
	r.P50, r.P95, r.P99 = world.Percentile(ages, 50), world.Percentile(ages, 95), world.Percentile(ages, 99)
	return r
}

// patience is how long after the load the naive run may take to drain, in seconds.
const patience = 3600

// arrivalsOf returns the times at which the messages of a load become visible, in
// seconds.
func arrivalsOf(s scenario.Scenario) []float64 {
	delay := s.Queue.Delay.Seconds()
	arrivals := make([]float64, 0, s.Load.Burst.Total)
	if len(s.Load.Trace) > 0 {
		cursor := s.Load.Trace.Cursor()
		for range s.Load.Burst.Total {
			arrivals = append(arrivals, cursor.Next().Seconds()+delay)
		}
		return arrivals
	}
	for n := range s.Load.Burst.Total {
		arrivals = append(arrivals, s.Load.Lasts().Seconds()*float64(n)/float64(s.Load.Burst.Total)+delay)
	}
	return arrivals
}

// rateOf returns a pod's rate, in messages per second.
func rateOf(s scenario.Scenario) float64 {
	c := s.Consumer.Settings
	store := s.Parts.Store.Median.Seconds()
	if s.Consumer.Service != nil {
		store = s.Consumer.Service.Median.Seconds()
	}
	if c.Concurrency > 1 {
		return float64(c.Concurrency) / store
	}
	batch := float64(c.BatchSize)
	return batch / (c.ProcessDelay.Seconds() + batch*store + 2*s.Parts.Receive.Median.Seconds())
}
