package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Latency is the time from the making of an event, its ts, until its object was written,
// S3's LastModified. It leaves out events that were sent twice, because their objects may
// also have been written twice. For a burst of more than 20,000 it is an even sample.
type Latency struct {
	// Events is the number of measured events.
	Events int `json:"events"`
	// P50, P95, P99 and Max are in seconds; -1 without an event.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	// Resolution is the resolution of LastModified, in seconds: 1 on AWS, finer here.
	Resolution float64 `json:"resolution"`
	// Histogram[i] counts the events that took i whole seconds.
	Histogram []int `json:"histogram"`
}

// Throughput is the number of events that were stored in each second of the run,
// including the steady producer's.
type Throughput struct {
	// PerSecond[i] counts the events of second i since the burst was asked for.
	PerSecond []int `json:"perSecond"`
	// Peak is the most in one second, in events per second.
	Peak int `json:"peak"`
	// Mean is the average from the first event sent until the queue was drained, in
	// events per second; -1 if the queue never was.
	Mean float64 `json:"mean"`
}

// Ideal is the run as it would be with every consumer ready from the first second, each
// with average speed.
type Ideal struct {
	Consumers int32 `json:"consumers"`
	// PerConsumer is the measured rate of a ready consumer, in messages per second. It is
	// -1 if the queue was never drained; then Drained is, too.
	PerConsumer float64 `json:"perConsumer"`
	// Drained is when the last message would have been handled.
	Drained float64 `json:"drained"`
	// AsReady is when it would have been with the consumers as they became ready, each as
	// fast as while messages waited. The time from then to the real drain is the tail.
	AsReady float64 `json:"asReady"`
	// Line is the depth of the queue over time.
	Line []Point `json:"line"`
}

// Point is a depth of the queue at one moment.
type Point struct {
	Seconds float64 `json:"seconds"`
	Depth   float64 `json:"depth"`
}

// Step is one rescale by the HPA, and the times of its stages.
type Step struct {
	From int32 `json:"from"`
	To   int32 `json:"to"`
	// Reason is the HPA's reason; empty if its event is gone.
	Reason string `json:"reason"`
	// Due is the time from which KEDA's metric asked for the step without interruption.
	Due float64 `json:"due"`
	// Decided is when the HPA wanted To consumers.
	Decided float64 `json:"decided"`
	// Created is when the Deployment had To pods, and Ready when all of them were ready.
	// When scaling down, they are when no more than To were left.
	Created float64 `json:"created"`
	Ready   float64 `json:"ready"`
}

func (s Step) up() bool { return s.To > s.From }

// Moment is an action of KEDA or the HPA.
type Moment struct {
	Seconds float64 `json:"seconds"`
	// Actor is KEDA or HPA.
	Actor string `json:"actor"`
	// What is short enough for the chart; Reason has more, if there is more.
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// Rescale is an event of the HPA.
type Rescale struct {
	At     time.Time
	Size   int32
	Reason string
}

// newLatency returns a Latency from durations in seconds; fine means that they have
// milliseconds.
func newLatency(took []float64, fine bool) Latency {
	l := Latency{Events: len(took), P50: -1, P95: -1, P99: -1, Max: -1, Resolution: 1, Histogram: []int{}}
	if fine {
		l.Resolution = 0.001
	}
	if l.Events > 0 {
		took = slices.Sorted(slices.Values(took))
		l.P50, l.P95, l.P99, l.Max = percentile(took, 50), percentile(took, 95), percentile(took, 99), Millis(took[len(took)-1])
		l.Histogram = make([]int, 1+int(l.Max))
		for _, seconds := range took {
			l.Histogram[int(Millis(seconds))]++
		}
	}
	return l
}

// percentile returns the smallest value that p of 100 values do not exceed.
func percentile(sorted []float64, p int) float64 {
	return Millis(sorted[max(0, (len(sorted)*p+99)/100-1)])
}

// Millis rounds seconds to milliseconds.
func Millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// newThroughput returns a Throughput from the times, in seconds, at which objects were
// written, the first event was sent, and the queue was drained.
func newThroughput(storedAt []float64, first, drained float64) Throughput {
	t := Throughput{PerSecond: []int{}, Mean: -1}
	stored := 0
	for _, at := range storedAt {
		second := int(max(0, at))
		for len(t.PerSecond) <= second {
			t.PerSecond = append(t.PerSecond, 0)
		}
		t.PerSecond[second]++
		t.Peak = max(t.Peak, t.PerSecond[second])
		if at <= drained {
			stored++
		}
	}
	if drained > first {
		t.Mean = Millis(float64(stored) / (drained - first))
	}
	return t
}

// newIdeal replays the messages with all consumers ready. sent has the times at which
// messages were made; delay is the queue's delivery delay, in seconds.
func newIdeal(sent []float64, delay float64, samples []Sample, drained float64) Ideal {
	ideal := Ideal{PerConsumer: -1, Drained: -1, AsReady: asReady(sent, delay, samples), Line: []Point{}}
	for _, s := range samples {
		ideal.Consumers = max(ideal.Consumers, s.Ready)
	}
	if len(sent) == 0 || drained <= sent[0] {
		return ideal
	}
	ready := readySeconds(samples, sent[0], drained)
	if ready == 0 {
		return ideal
	}
	ideal.PerConsumer = Millis(float64(len(sent)) / ready)
	const step = 0.5
	handled, capacity := 0.0, float64(ideal.Consumers)*float64(len(sent))/ready*step
	for t := math.Floor(max(0, sent[0])); t < drained && handled < float64(len(sent)); t += step {
		handled = min(float64(sentBy(sent, t-delay)), handled+capacity)
		ideal.Line = append(ideal.Line, Point{Seconds: t, Depth: Millis(float64(sentBy(sent, t)) - handled)})
		ideal.Drained = t
	}
	return ideal
}

// asReady replays the messages with the consumers as they became ready.
func asReady(sent []float64, delay float64, samples []Sample) float64 {
	handled := func(s Sample) float64 { return float64(sentBy(sent, s.Seconds) - s.Depth()) }
	var work, time float64
	for i := 1; i < len(samples); i++ {
		if a, b := samples[i-1], samples[i]; a.Visible > 0 && b.Visible > 0 {
			work += max(0, handled(b)-handled(a))
			time += (b.Seconds - a.Seconds) * float64(a.Ready)
		}
	}
	if len(sent) == 0 || work == 0 || time == 0 {
		return -1
	}
	done, all := 0.0, float64(len(sent))
	for i := 1; i < len(samples); i++ {
		rate, from, to := float64(samples[i-1].Ready)*work/time, samples[i-1].Seconds, samples[i].Seconds
		if last := from + (all-done)/rate; last <= to && sentBy(sent, last-delay) == len(sent) {
			return Millis(last)
		}
		done = min(float64(sentBy(sent, to-delay)), done+rate*(to-from))
	}
	return -1
}

func sentBy(sent []float64, t float64) int {
	n, _ := slices.BinarySearchFunc(sent, t, func(at, t float64) int {
		if at <= t {
			return -1
		}
		return 1
	})
	return n
}

// readySeconds returns the sum of the times for which the consumers were ready between
// two moments.
func readySeconds(samples []Sample, from, to float64) (sum float64) {
	for i := 1; i < len(samples); i++ {
		span := min(to, samples[i].Seconds) - max(from, samples[i-1].Seconds)
		sum += max(0, span) * float64(samples[i-1].Ready)
	}
	return sum
}

func newSteps(samples []Sample, s Scaling, rescales []Rescale, started time.Time) []Step {
	steps := []Step{}
	previous := 0.0
	for i := 1; i < len(samples); i++ {
		from, to := samples[i-1].Desired, samples[i].Desired
		if from == to {
			continue
		}
		step := Step{From: from, To: to, Decided: samples[i].Seconds, Created: -1, Ready: -1}
		step.Due = max(previous, due(samples[:i+1], s, step))
		step.Reason = reasonFor(step, rescales, started)
		for _, later := range slices.Backward(samples[i:]) {
			if reached(later.Pods, step) {
				step.Created = later.Seconds
			}
			if reached(later.Ready, step) {
				step.Ready = later.Seconds
			}
		}
		steps, previous = append(steps, step), step.Decided
	}
	return steps
}

func reached(n int32, s Step) bool {
	if s.up() {
		return n >= s.To
	}
	return n <= s.To
}

// due returns the time from which the metric has asked for a step that the last sample
// shows.
func due(samples []Sample, s Scaling, step Step) float64 {
	since := step.Decided
	for i, sample := range slices.Backward(samples) {
		switch {
		case sample.Metric < 0:
			// KEDA did not answer, so this sample says nothing.
		case s.asks(sample.Metric, step):
			since = sample.Seconds
		case i < len(samples)-1:
			return since
		}
	}
	return since
}

// asks reports whether the metric asks for a step: when scaling up, for more consumers
// than From, and when scaling down, for no more than To.
func (s Scaling) asks(metric float64, step Step) bool {
	if step.up() {
		return metric > s.most(step)
	}
	return metric <= s.most(step)
}

// most returns the largest number of messages for which the smaller number of consumers
// is enough.
func (s Scaling) most(step Step) float64 {
	if step.up() {
		return float64(step.From) * s.Target * (1 + s.Tolerance)
	}
	return float64(step.To) * s.Target
}

// reasonFor returns the reason of the HPA's event that is nearest to the step.
func reasonFor(step Step, rescales []Rescale, started time.Time) string {
	at := started.Add(time.Duration(step.Decided * float64(time.Second)))
	var same []Rescale
	for _, r := range rescales {
		if r.Size == step.To {
			same = append(same, r)
		}
	}
	if len(same) == 0 {
		return ""
	}
	return slices.MinFunc(same, func(a, b Rescale) int { return cmp.Compare(a.At.Sub(at).Abs(), b.At.Sub(at).Abs()) }).Reason
}

// newMoments returns the actions of KEDA and the HPA, in order.
func newMoments(samples []Sample, steps []Step, s Scaling) []Moment {
	moments := []Moment{}
	for i, sample := range samples {
		switch {
		case i == 0 && sample.Active:
			moments = append(moments, Moment{
				Actor: "KEDA", What: "ScaledObject active",
				Reason: "since before the burst: the steady producer keeps the queue from being empty",
			})
		case i > 0 && sample.Active && !samples[i-1].Active:
			moments = append(moments, Moment{
				Seconds: sample.Seconds, Actor: "KEDA", What: "ScaledObject active",
				Reason: "the queue is not empty",
			})
		case i > 0 && !sample.Active && samples[i-1].Active:
			moments = append(moments, Moment{Seconds: sample.Seconds, Actor: "KEDA", What: "ScaledObject idle", Reason: "the queue is empty"})
		}
	}
	for i, step := range steps {
		// Only the first step in a direction shows when the metric crossed the target.
		if i == 0 || steps[i-1].up() != step.up() {
			moments = append(moments, s.metricMoment(step))
		}
		moments = append(moments, Moment{
			Seconds: step.Decided, Actor: "HPA", What: rescaled(step.From, step.To), Reason: step.Reason,
		})
	}
	slices.SortStableFunc(moments, func(a, b Moment) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return moments
}

func (s Scaling) metricMoment(step Step) Moment {
	most := count(int(math.Round(s.most(step))))
	if step.up() {
		return Moment{
			Seconds: step.Due, Actor: "KEDA", What: "metric over target",
			Reason: "more than " + most + " messages, " + s.targetWords(),
		}
	}
	return Moment{Seconds: step.Due, Actor: "KEDA", What: "metric under target", Reason: "no more than " + most + " messages"}
}

func (s Scaling) targetWords() string {
	return fmt.Sprintf("%g for each consumer and the %.0f %% that the HPA tolerates", s.Target, 100*s.Tolerance)
}
