package world

import (
	"slices"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// Problems that users of KEDA reported, each as a small scenario. The numbers are those
// of issues of https://github.com/kedacore/keda.

// TestClimb: #196, #4204. Without behavior the HPA adds four pods or doubles them, every
// 15 s.
func TestClimb(t *testing.T) {
	s := local(1500)
	s.ScaledObject.Spec.Advanced = nil
	r := simulate(t, s, Phase{1, 3})
	got := rescales(r)
	want := []int32{4, 8, 16}
	for i, n := range want {
		// To four pods, then by 100 %; the last step is what the metric asks for.
		if i >= len(got) || got[i] != n {
			t.Fatalf("the number of pods became %v, want %v first", got, want)
		}
	}
	for _, step := range r.Steps[:2] {
		if step.Limit != "ScaleUpLimit" {
			t.Errorf("%d → %d was limited by %q", step.From, step.To, step.Limit)
		}
	}
	at := simulate(t, local(1500), Phase{1, 3})
	if at.Drained >= r.Drained {
		t.Errorf("in one step drained after %g s, by default after %g s", at.Drained, r.Drained)
	}
}

// reversals returns how often the number of pods went up after it had gone down.
func reversals(r Run) (n int) {
	down := false
	for _, step := range r.Steps {
		switch {
		case step.To < step.From:
			down = true
		case step.To > step.From && down:
			n, down = n+1, false
		}
	}
	return n
}

// TestSawTooth: #4276, #4167, #6709. What a pod has in hand counts, so a queueLength below
// it asks for more pods than there is work for, and policies without a window follow each
// batch.
func TestSawTooth(t *testing.T) {
	s := local(1)
	s.Load.Steady = nil
	s.Load = scenario.Replayed(s.Load.Burst, "trickle", trace.Trace{{Seconds: 600, Messages: 1800}})
	s.Trigger.Target = 1
	behave(&s, 0, policy(autoscalingv2.PercentScalingPolicy, 900), policy(autoscalingv2.PercentScalingPolicy, 100))
	tooth := simulate(t, s, Phase{0, 1})
	s.Trigger.Target = 50
	behave(&s, 300, policy(autoscalingv2.PodsScalingPolicy, 50), policy(autoscalingv2.PercentScalingPolicy, 100))
	calm := simulate(t, s, Phase{0, 1})
	if reversals(tooth) < 3 || reversals(calm) > 1 || tooth.PodSeconds < 1.5*calm.PodSeconds {
		t.Errorf("a small queueLength: %d reversals and %g pod-seconds; a usual one: %d and %g",
			reversals(tooth), tooth.PodSeconds, reversals(calm), calm.PodSeconds)
	}
}

// TestTail: #2900, #3674, #6719. Without a window the HPA takes pods away while the last
// messages wait, and they wait longer.
func TestTail(t *testing.T) {
	eager, patient := local(1500), local(1500)
	behave(&eager, 0, policy(autoscalingv2.PodsScalingPolicy, 50), policy(autoscalingv2.PercentScalingPolicy, 100))
	behave(&patient, 300, policy(autoscalingv2.PodsScalingPolicy, 50), policy(autoscalingv2.PercentScalingPolicy, 100))
	later := 0
	for phase := range 5 {
		a, b := simulate(t, eager, Phase{phase, 5}), simulate(t, patient, Phase{phase, 5})
		if a.Drained > b.Drained+1 {
			later++
		}
		if a.Drained < b.Drained-2.5 {
			t.Errorf("phase %d: without a window drained after %g s, with one after %g s", phase, a.Drained, b.Drained)
		}
	}
	if later < 3 {
		t.Errorf("the window shortens the drain in %d of 5 phases", later)
	}
}

// TestInFlight: #1663, #5948. A consumer that takes what it works on for long leaves the
// queue empty: without scaleOnInFlight nothing asks for its pods.
func TestInFlight(t *testing.T) {
	s := local(60)
	s.Load.Steady = nil
	s.Consumer.Settings = scenario.Foreign(10)
	service := parts.Always(100 * time.Second)
	s.Consumer.Service = &service
	s.Trigger.Target = 10
	behave(&s, 0, policy(autoscalingv2.PodsScalingPolicy, 50), policy(autoscalingv2.PercentScalingPolicy, 100))
	counted := simulate(t, s, Phase{0, 1})
	s.Trigger.InFlight = false
	blind := simulate(t, s, Phase{0, 1})
	if counted.Drained < 0 || blind.Drained >= 0 && blind.Drained < counted.Drained+50 {
		t.Errorf("drained after %g s when messages in flight count, else after %g s", counted.Drained, blind.Drained)
	}
}

// TestFlapping: #7327, #5008, #230. With a minimum of none, sparse messages each pay for a
// poll and a start.
func TestFlapping(t *testing.T) {
	s := local(1)
	s.Load = scenario.Replayed(producer.Config{Queue: "q", Concurrency: 1}, "sparse", trace.Trace{{Seconds: 3000, Messages: 20}})
	s.ScaledObject.Spec.MinReplicaCount = new(int32(0))
	s.ScaledObject.Spec.CooldownPeriod = new(int32(30))
	s.ScaledObject.Spec.PollingInterval = new(int32(30))
	zero := simulate(t, s, Phase{0, 1})
	ups := 0
	for _, step := range zero.Steps {
		if step.Actor == actorKEDA && step.To == 1 {
			ups++
		}
	}
	s.ScaledObject.Spec.MinReplicaCount = new(int32(1))
	one := simulate(t, s, Phase{0, 1})
	if ups < 15 || zero.P50 < one.P50+5 || zero.PodSeconds > one.PodSeconds/2 {
		t.Errorf("from none: %d starts, p50 %g s, %g pod-seconds; from one: p50 %g s, %g", ups, zero.P50, zero.PodSeconds, one.P50, one.PodSeconds)
	}
	if len(rescales(one)) > 0 {
		t.Errorf("a minimum of one became %v", rescales(one))
	}
}

// TestPolling: #230. With a minimum above none, pollingInterval and cooldownPeriod change
// nothing: the HPA asks by itself.
func TestPolling(t *testing.T) {
	s := local(400)
	s.ScaledObject.Spec.PollingInterval, s.ScaledObject.Spec.CooldownPeriod = new(int32(5)), new(int32(10))
	quick := simulate(t, s, Phase{1, 3})
	s.ScaledObject.Spec.PollingInterval, s.ScaledObject.Spec.CooldownPeriod = new(int32(300)), new(int32(3000))
	slow := simulate(t, s, Phase{1, 3})
	if !slices.Equal(rescales(quick), rescales(slow)) || quick.Drained != slow.Drained || quick.Settled != slow.Settled {
		t.Errorf("%v, drained after %g s; with slow polls %v, %g s", rescales(quick), quick.Drained, rescales(slow), slow.Drained)
	}
}

// TestAge: #5754, #5488. SQS's age of the oldest message cannot scale; a queueLength bounds
// the age instead, at a price: the longer it is, the older messages become, and the fewer
// pod-seconds they cost.
func TestAge(t *testing.T) {
	age, cost := 0.0, 1e9
	for _, length := range []int64{25, 50, 100, 200} {
		s := local(1500)
		s.Trigger.Target = length
		r := simulate(t, s, Phase{1, 3})
		if r.P99 <= age || r.PodSeconds >= cost {
			t.Errorf("queueLength %d: p99 %g s and %g pod-seconds, half of it %g s and %g", length, r.P99, r.PodSeconds, age, cost)
		}
		age, cost = r.P99, r.PodSeconds
	}
}
