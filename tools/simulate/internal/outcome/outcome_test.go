package outcome

import (
	"strings"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

func TestSpread(t *testing.T) {
	var values []float64
	for n := range 100 {
		values = append(values, float64(100-n))
	}
	if got, want := spread(values), (report.Spread{P5: 5, P50: 50, P95: 95}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// A value that never came counts as the longest.
	if got, want := spread([]float64{3, -1, 1, 2}), (report.Spread{P5: 1, P50: 2, P95: -1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestBand(t *testing.T) {
	run := func(depths ...int) world.Run {
		r := world.Run{}
		for n, d := range depths {
			r.Samples = append(r.Samples, report.Sample{Seconds: float64(n), Visible: d, Ready: int32(d / 10)})
		}
		return r
	}
	got := band([]world.Run{run(0, 100, 50), run(0, 80, 60, 40)})
	if len(got) != 4 || got[1].Depth.P95 != 100 || got[1].Depth.P5 != 80 || got[3].Depth.P95 != 50 || got[1].Ready.P95 != 10 {
		t.Errorf("%+v", got)
	}
}

func TestPrices(t *testing.T) {
	p, err := ReadPrices()
	if err != nil || p.Date == "" || p.Node.Hour <= 0 || p.Node.Processors <= 0 || p.QueueRequests <= 0 || p.Puts <= 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func sample() scenario.Scenario {
	s := scenario.Scenario{
		ScaledObject: kedav1alpha1.ScaledObject{Spec: kedav1alpha1.ScaledObjectSpec{MinReplicaCount: new(int32(1)), MaxReplicaCount: new(int32(50))}},
		Trigger:      scenario.Trigger{Target: 50},
		Consumer:     scenario.Consumer{Settings: consumer.Config{BatchSize: 5, Concurrency: 1, ProcessDelay: 2 * time.Second}, CPU: 0.5},
		Parts:        parts.Local(),
	}
	s.Load = scenario.Flat(producer.Config{}, 1500)
	return s
}

// TestNaive: 30 pods handle 75 messages a second, and wait up to 15 s for the HPA.
func TestNaive(t *testing.T) {
	p := New(sample(), Naive(sample(), 20)).Prediction
	if p.Drain.P50 < 20 || p.Drain.P50 > 35 || p.Peak.P50 != 30 || p.Undrained > 0 || p.P99.P50 > p.Drain.P50 {
		t.Errorf("%+v", p)
	}
}

func TestCost(t *testing.T) {
	// A pod with half a core has a quarter of a node with two.
	c := newCost(sample(), []world.Run{{PodSeconds: 3600, Requests: 1_000_000, Puts: 1000}})
	if want := 0.0456/4 + 0.40 + 0.005; c.Burst < want-1e-9 || c.Burst > want+1e-9 {
		t.Errorf("a burst costs %g, want %g", c.Burst, want)
	}
	if idle := 24 * 365.0 / 12 * 0.0456 / 4; c.Month < idle || c.Month > idle+31*c.Burst {
		t.Errorf("a month costs %g, the minimum alone %g", c.Month, idle)
	}
}

func TestWords(t *testing.T) {
	s := sample()
	for want, step := range map[string]world.Step{
		"the HPA 1 → 5: 230 messages counted, which at 50 a pod asks for 5":                                              {Actor: "HPA", From: 1, To: 5, Metric: 230},
		"the HPA 1 → 4: 230 messages counted, which at 50 a pod asks for 5; its scale-up policies allow no more at once": {Actor: "HPA", From: 1, To: 4, Metric: 230, Limit: "ScaleUpLimit"},
		"the HPA keeps 50: 9000 messages counted, which at 50 a pod asks for 180, and maxReplicaCount is 50":             {Actor: "HPA", From: 50, To: 50, Until: 9, Metric: 9000, Limit: "TooManyReplicas"},
		"KEDA 0 → 1: its poll found 1 message, more than the activation of 0":                                            {Actor: "KEDA", From: 0, To: 1, Metric: 1},
		"KEDA 1 → 0: no poll of the last 300 s found more than the activation of 0":                                      {Actor: "KEDA", From: 1, To: 0},
	} {
		if got := explain(s, step); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s.ScaledObject.Spec.MaxReplicaCount = new(int32(2))
	lines := why(s, world.Run{Drained: -1, Samples: []report.Sample{{Seconds: 3600, Visible: 900, Ready: 2}}})
	if len(lines) != 1 || !strings.Contains(lines[0], "after 3600 s the queue still holds 900 messages, with 2 of at most 2 pods ready") {
		t.Errorf("%q", lines)
	}
}
