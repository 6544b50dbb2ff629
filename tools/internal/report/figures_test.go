package report

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func TestLatency(t *testing.T) {
	var took []float64
	for i := range 100 {
		took = append(took, float64(100-i)+0.5)
	}
	want := Latency{
		Events: 100, P50: 50.5, P95: 95.5, P99: 99.5, Max: 100.5, Resolution: 0.001,
		Histogram: append([]int{0}, slices.Repeat([]int{1}, 100)...),
	}
	if got := newLatency(took, true); !reflect.DeepEqual(got, want) {
		t.Errorf("latency %+v, want %+v", got, want)
	}
	if got, want := newLatency(nil, false), (Latency{P50: -1, P95: -1, P99: -1, Max: -1, Resolution: 1, Histogram: []int{}}); !reflect.DeepEqual(got, want) {
		t.Errorf("no event: %+v, want %+v", got, want)
	}
}

func TestThroughput(t *testing.T) {
	got := newThroughput([]float64{-0.2, 0.4, 3, 3.9, 3.99, 5}, 1, 4)
	if !slices.Equal(got.PerSecond, []int{2, 0, 0, 3, 0, 1}) || got.Peak != 3 || got.Mean != 1.667 {
		t.Errorf("throughput %+v", got)
	}
	if got := newThroughput(nil, -1, -1); got.Mean != -1 || got.PerSecond == nil {
		t.Errorf("nothing stored: %+v", got)
	}
}

// Consumers handle 40 messages in 20 s: one consumer for all of them, a second one for
// the last 10. That is 40 messages in 30 consumer-seconds.
func TestIdeal(t *testing.T) {
	samples := []Sample{{Ready: 1}, {Seconds: 10, Ready: 2}, {Seconds: 20, Ready: 2}, {Seconds: 30, Ready: 1}}
	got := newIdeal(make([]float64, 40), 2, samples, 20)
	if got.Consumers != 2 || got.PerConsumer != 1.333 || got.Drained != 16.5 {
		t.Errorf("ideal %+v", got)
	}
	// No consumer gets a message before the queue's delay is over.
	for _, p := range got.Line {
		want := max(0, 40-max(0, p.Seconds-1.5)*40/30*2)
		if d := p.Depth - want; d > 0.01 || d < -0.01 {
			t.Errorf("depth %g at %g s, want %g", p.Depth, p.Seconds, want)
		}
	}
	for name, got := range map[string]Ideal{
		"nothing sent":   newIdeal(nil, 2, samples, 20),
		"never drained":  newIdeal(make([]float64, 40), 2, samples, -1),
		"nobody ready":   newIdeal(make([]float64, 40), 2, []Sample{{}, {Seconds: 20}}, 20),
		"nobody watched": newIdeal(make([]float64, 40), 2, nil, 20),
	} {
		if got.Drained != -1 || got.PerConsumer != -1 || got.Line == nil || len(got.Line) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Two consumers handle one message a second each; the second starts at 10 s. The last of
// 40 messages is late, which is the tail.
func TestAsReady(t *testing.T) {
	var samples []Sample
	for second := range 40 {
		s := Sample{Seconds: float64(second), Ready: 1}
		handled := second
		if second >= 10 {
			s.Ready, handled = 2, second+second-10
		}
		s.Visible = max(0, 40-handled)
		if s.Visible == 0 && second < 35 {
			s.InFlight = 1
		}
		samples = append(samples, s)
	}
	if got := asReady(make([]float64, 40), 0, samples); got < 24.5 || got > 25.5 {
		t.Errorf("the consumers needed %g s, want 25", got)
	}
	for name, got := range map[string]float64{
		"nothing sent":   asReady(nil, 0, samples),
		"nobody watched": asReady(make([]float64, 40), 0, nil),
		"nothing waited": asReady(make([]float64, 4), 0, []Sample{{Ready: 1}, {Seconds: 1, Ready: 1}}),
	} {
		if got != -1 {
			t.Errorf("%s: %g", name, got)
		}
	}
}

func TestSteps(t *testing.T) {
	s := Scaling{Minimum: 1, Maximum: 50, Target: 50, Tolerance: 0.1}
	samples := []Sample{
		{Desired: 1, Pods: 1, Ready: 1, Metric: 60},
		{Seconds: 1, Desired: 1, Pods: 1, Ready: 1, Metric: 55},
		{Seconds: 2, Desired: 1, Pods: 1, Ready: 1, Metric: 56},
		{Seconds: 3, Desired: 1, Pods: 1, Ready: 1, Metric: -1},
		{Seconds: 4, Desired: 4, Pods: 1, Ready: 1, Metric: 200},
		{Seconds: 5, Desired: 4, Pods: 4, Ready: 2, Metric: 300},
		{Seconds: 6, Desired: 6, Pods: 6, Ready: 3, Metric: 300},
		{Seconds: 7, Desired: 6, Pods: 6, Ready: 5, Metric: 51},
		{Seconds: 8, Desired: 6, Pods: 6, Ready: 5, Metric: 50},
		{Seconds: 9, Desired: 1, Pods: 1, Ready: 5, Metric: 0},
		{Seconds: 10, Desired: 1, Pods: 1, Ready: 1, Metric: 0},
	}
	rescales := []Rescale{{at(-900), 4, "an earlier run"}, {at(3), 4, "above"}, {at(8), 1, "below"}}
	want := []Step{
		{From: 1, To: 4, Reason: "above", Due: 2, Decided: 4, Created: 5, Ready: 7},
		// Due since 5 s, when 4 were wanted; not all of them ever became ready.
		{From: 4, To: 6, Due: 5, Decided: 6, Created: 6, Ready: -1},
		{From: 6, To: 1, Reason: "below", Due: 8, Decided: 9, Created: 9, Ready: 10},
	}
	if got := newSteps(samples, s, rescales, noon); !slices.Equal(got, want) {
		t.Errorf("steps\n%+v, want\n%+v", got, want)
	}
	if got := newSteps(nil, s, rescales, noon); got == nil || len(got) > 0 {
		t.Errorf("no samples: %v", got)
	}
}

func TestMoments(t *testing.T) {
	s := Scaling{Target: 50, Tolerance: 0.1}
	samples := []Sample{{Active: true}, {Seconds: 1}, {Seconds: 2, Active: true}}
	steps := []Step{{From: 1, To: 4, Due: 3, Decided: 4}, {From: 4, To: 6, Due: 5, Decided: 6}, {From: 6, To: 1, Due: 8, Decided: 9}}
	var got []string
	for _, m := range newMoments(samples, steps, s) {
		got = append(got, strconv.Itoa(int(m.Seconds))+" "+m.Actor+" "+m.What)
	}
	want := []string{
		"0 KEDA ScaledObject active", "1 KEDA ScaledObject idle", "2 KEDA ScaledObject active", "3 KEDA metric over target",
		"4 HPA 1 → 4", "6 HPA 4 → 6", "8 KEDA metric under target", "9 HPA 6 → 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("moments %q, want %q", got, want)
	}
}

func TestNiceStep(t *testing.T) {
	for span, want := range map[float64]float64{0.2: 1, 1: 1, 1.1: 2, 4: 5, 5.5: 10, 375: 500, 501: 1000} {
		if got := niceStep(span); got != want {
			t.Errorf("niceStep(%v) = %v, want %v", span, got, want)
		}
	}
}
