package world

import (
	"math"
	"slices"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// local returns the scenario of clusters/local: five messages at a time, two seconds for
// each five, a pod for 50 messages, and 1 to 50 pods in one step.
func local(messages int) scenario.Scenario {
	steady := producer.Config{Queue: "q", Concurrency: 1, WaitSeconds: 2}
	s := scenario.Scenario{
		ScaledObject: kedav1alpha1.ScaledObject{
			ObjectMeta: metav1.ObjectMeta{Name: "consumer", Namespace: "ns"},
			Spec: kedav1alpha1.ScaledObjectSpec{
				ScaleTargetRef:  &kedav1alpha1.ScaleTarget{Name: "consumer"},
				MinReplicaCount: new(int32(1)), MaxReplicaCount: new(int32(50)),
			},
		},
		Trigger: scenario.Trigger{Metric: "s0-aws-sqs-q", Target: 50, InFlight: true},
		Consumer: scenario.Consumer{
			Settings: consumer.Config{
				Queue: "q", DeadLetterQueue: "d", Bucket: "b", Prefix: "p", BatchSize: 5, Concurrency: 1,
				ProcessDelay: 2 * time.Second, Backoff: 2 * time.Second, BackoffMax: 20 * time.Second,
			},
			ProbePeriod: 2 * time.Second,
		},
		Queue: scenario.Queue{Name: "q", Delay: 2 * time.Second, Visibility: 30 * time.Second, MaxReceives: 10},
		Parts: parts.Local(),
	}
	s.Load = scenario.Flat(steady, messages)
	s.Load.Steady = &steady
	behave(&s, 60, policy(autoscalingv2.PodsScalingPolicy, 50), policy(autoscalingv2.PercentScalingPolicy, 100))
	return s
}

func policy(kind autoscalingv2.HPAScalingPolicyType, value int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: kind, Value: value, PeriodSeconds: 15}
}

// behave sets the HPA's behavior: the window for scaling down, and a policy for each
// direction.
func behave(s *scenario.Scenario, window int32, up, down autoscalingv2.HPAScalingPolicy) {
	s.ScaledObject.Spec.Advanced = &kedav1alpha1.AdvancedConfig{HorizontalPodAutoscalerConfig: &kedav1alpha1.HorizontalPodAutoscalerConfig{
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(0)), Policies: []autoscalingv2.HPAScalingPolicy{up}},
			ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window, Policies: []autoscalingv2.HPAScalingPolicy{down}},
		},
	}}
}

func simulate(t *testing.T, s scenario.Scenario, phase Phase) Run {
	t.Helper()
	run, err := Simulate(t, s, phase)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// rescales returns the numbers of pods that were set, in order.
func rescales(r Run) (all []int32) {
	for _, step := range r.Steps {
		if !step.held() {
			all = append(all, step.To)
		}
	}
	return all
}

// TestDemo: the burst of make demo goes as in the cluster, whose report of 2026-11-29 has
// 36 s, 29 consumers and 1,500 messages, none of them lost.
func TestDemo(t *testing.T) {
	r := simulate(t, local(1500), Phase{Index: 10, Of: 15})
	if r.Drained < 25 || r.Drained > 45 || r.Peak < 28 || r.Peak > 31 {
		t.Errorf("drained after %g s with %d pods", r.Drained, r.Peak)
	}
	if got := rescales(r); len(got) < 2 || got[0] < 28 || got[len(got)-1] != 1 {
		t.Errorf("the number of pods became %v", got)
	}
	if r.Messages < 1500 || r.Measured != r.Messages {
		t.Errorf("%d of %d messages are stored", r.Measured, r.Messages)
	}
	if r.Settled < r.Drained+45 || r.Settled > r.Drained+120 {
		t.Errorf("back at the minimum after %g s", r.Settled)
	}
	if r.P50 > r.P99 || r.P99 > r.Max || r.Max > r.Drained {
		t.Errorf("latencies %g, %g, %g", r.P50, r.P99, r.Max)
	}
}

// TestRepeats: a phase always gives the same run, except for milliseconds: the order of
// two pods at the same moment is not fixed.
func TestRepeats(t *testing.T) {
	one, two := simulate(t, local(300), Phase{3, 10}), simulate(t, local(300), Phase{3, 10})
	differ := func(a, b float64) bool { return math.Abs(a-b) > 0.1 }
	if differ(one.Drained, two.Drained) || differ(one.P99, two.P99) || !slices.Equal(rescales(one), rescales(two)) || one.PodSeconds != two.PodSeconds {
		t.Errorf("%g s, %v, %g s, then %g s, %v, %g s", one.Drained, rescales(one), one.P99, two.Drained, rescales(two), two.P99)
	}
}

func TestMoreMessagesNeverDrainEarlier(t *testing.T) {
	for phase := range 3 {
		last := 0.0
		for _, messages := range []int{100, 400, 1000, 2500} {
			r := simulate(t, local(messages), Phase{phase, 3})
			if r.Drained < last-0.5 {
				t.Errorf("phase %d: %d messages drain after %g s, fewer after %g s", phase, messages, r.Drained, last)
			}
			last = r.Drained
		}
	}
}

func TestMorePodsNeverEndLater(t *testing.T) {
	for phase := range 3 {
		last := 1e9
		for _, most := range []int32{4, 8, 16, 40} {
			s := local(1000)
			s.ScaledObject.Spec.MaxReplicaCount = &most
			r := simulate(t, s, Phase{phase, 3})
			// A batch takes two seconds, and the last one may begin at any moment of
			// these.
			if r.Drained < 0 || r.Drained > last+2.5 {
				t.Errorf("phase %d: %d pods drain after %g s, fewer after %g s", phase, most, r.Drained, last)
			}
			if r.Peak > most {
				t.Errorf("phase %d: %d pods, at most %d", phase, r.Peak, most)
			}
			last = r.Drained
		}
	}
}

// TestNeverDrains: two pods handle five messages a second, and ten arrive.
func TestNeverDrains(t *testing.T) {
	s := local(1)
	s.ScaledObject.Spec.MaxReplicaCount = new(int32(2))
	s.Load.Steady = nil
	s.Load = scenario.Replayed(s.Load.Burst, "flood", trace.Trace{{Seconds: 7200, Messages: 72000}})
	r := simulate(t, s, Phase{0, 1})
	if r.Drained != -1 || r.Settled != -1 || r.Peak != 2 {
		t.Errorf("drained after %g s, settled after %g s, %d pods", r.Drained, r.Settled, r.Peak)
	}
}

// TestNodes: pods without a node wait for one, which an autoscaler adds.
func TestNodes(t *testing.T) {
	s := local(1000)
	s.Parts.Nodes = parts.Nodes{Count: 1, Pods: 6, Max: 1}
	full := simulate(t, s, Phase{0, 1})
	if full.Peak != 6 || full.Pending < 10 {
		t.Errorf("%d pods ready, %d without a node", full.Peak, full.Pending)
	}
	s.Parts.Nodes.Max, s.Parts.Nodes.Boot = 3, 20*time.Second
	more := simulate(t, s, Phase{0, 1})
	if more.Peak <= 6 || more.Peak > 18 || more.Drained >= full.Drained {
		t.Errorf("with an autoscaler %d pods ready, drained after %g s instead of %g s", more.Peak, more.Drained, full.Drained)
	}
}

// TestForeign: another consumer takes its service time, and handles the given number of
// messages at a time.
func TestForeign(t *testing.T) {
	s := local(200)
	s.Load.Steady = nil
	s.Consumer.Settings = scenario.Foreign(1)
	s.Consumer.Service = &parts.Distribution{Median: time.Second, P99: time.Second}
	s.ScaledObject.Spec.MaxReplicaCount = new(int32(1))
	slow := simulate(t, s, Phase{0, 1})
	s.Consumer.Settings = scenario.Foreign(10)
	quick := simulate(t, s, Phase{0, 1})
	if slow.Drained < 200 || slow.Drained > 230 || quick.Drained < 20 || quick.Drained > 35 {
		t.Errorf("200 messages of a second: %g s, ten at a time %g s", slow.Drained, quick.Drained)
	}
}
