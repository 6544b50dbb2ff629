package bubble

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// TestMain also serves as the other process.
func TestMain(m *testing.M) {
	ServeIfAsked()
	os.Exit(m.Run())
}

func burst(messages int) scenario.Scenario {
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
				Queue: "q", DeadLetterQueue: "d", Bucket: "b", BatchSize: 5, Concurrency: 1,
				ProcessDelay: 2 * time.Second, Backoff: 2 * time.Second, BackoffMax: 20 * time.Second,
			},
			ProbePeriod: 2 * time.Second,
		},
		Queue: scenario.Queue{Name: "q", Delay: 2 * time.Second, Visibility: 30 * time.Second, MaxReceives: 10},
		Parts: parts.Local(),
	}
	s.Load = scenario.Flat(producer.Config{Queue: "q", Concurrency: 1}, messages)
	return s
}

// TestSimulate: the result has all phases of all scenarios, in order.
func TestSimulate(t *testing.T) {
	small, large := burst(50), burst(400)
	heard := 0
	runs, err := Simulate(context.Background(), []scenario.Scenario{small, large}, Options{Phases: 3, Progress: func(made, all int) {
		if all != 6 || made != heard+1 {
			t.Errorf("run %d of %d after %d", made, all, heard)
		}
		heard = made
	}})
	if err != nil {
		t.Fatal(err)
	}
	for n, messages := range []int{50, 400} {
		for phase, r := range runs[n] {
			if r.Phase != phase || r.Messages != messages || r.Drained < 0 || len(r.Samples) == 0 {
				t.Errorf("scenario %d, phase %d: %d messages, phase %d, drained after %g s", n, phase, r.Messages, r.Phase, r.Drained)
			}
		}
	}
	if heard != 6 {
		t.Errorf("heard of %d runs", heard)
	}
}

func TestSlim(t *testing.T) {
	runs, err := Simulate(context.Background(), []scenario.Scenario{burst(50)}, Options{Phases: 1, Slim: true})
	if err != nil || len(runs[0][0].Samples) > 0 || runs[0][0].Drained <= 0 {
		t.Errorf("%v, %d samples", err, len(runs[0][0].Samples))
	}
}

// TestDrained: a run that ends when it is drained is the same up to then.
func TestDrained(t *testing.T) {
	runs := func(o Options) [][]world.Run {
		t.Helper()
		all, err := Simulate(context.Background(), []scenario.Scenario{burst(200)}, o)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	whole, cut := runs(Options{Phases: 1})[0][0], runs(Options{Phases: 1, Drained: true})[0][0]
	if math.Abs(whole.Drained-cut.Drained) > 0.1 || math.Abs(whole.P99-cut.P99) > 0.1 || cut.PodSeconds >= whole.PodSeconds {
		t.Errorf("drained after %g s and %g s, p99 %g s and %g s, %g and %g pod-seconds", whole.Drained, cut.Drained, whole.P99, cut.P99,
			whole.PodSeconds, cut.PodSeconds)
	}
	if last := cut.Samples[len(cut.Samples)-1].Seconds; last > cut.Drained+1.5 {
		t.Errorf("drained after %g s, it ended after %g s", cut.Drained, last)
	}
}

// TestFailure: if the other process fails, its output is in the error.
func TestFailure(t *testing.T) {
	s := burst(10)
	s.ScaledObject.Spec.ScaleTargetRef = nil // a real scenario always has it
	_, err := Simulate(context.Background(), []scenario.Scenario{s}, Options{Phases: 1})
	if err == nil || !strings.Contains(err.Error(), "broke off") || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Simulate(ctx, []scenario.Scenario{burst(10)}, Options{Phases: 1}); err == nil {
		t.Error("it simulated after the end")
	}
}

// simulated reports how much faster than real time runs were.
func simulated(b *testing.B, s scenario.Scenario, phases int, limit time.Duration) {
	b.Helper()
	for b.Loop() {
		begun := time.Now()
		runs, err := Simulate(context.Background(), []scenario.Scenario{s}, Options{Phases: phases})
		if err != nil {
			b.Fatal(err)
		}
		took, seconds := time.Since(begun), 0.0
		for _, r := range runs[0] {
			seconds += r.Samples[len(r.Samples)-1].Seconds
		}
		b.ReportMetric(seconds/took.Seconds(), "x-real-time")
		b.ReportMetric(took.Seconds()/float64(phases), "s/run")
		if took > limit {
			b.Errorf("%d runs took %s, wanted within %s", phases, took, limit)
		}
	}
}

func BenchmarkBurst(b *testing.B) { simulated(b, burst(1500), 200, 15*time.Second) }

// BenchmarkDay simulates a day with a million events, and consumers as on AWS.
func BenchmarkDay(b *testing.B) {
	s := burst(1)
	s.Consumer.Settings.BatchSize, s.Consumer.Settings.Concurrency, s.Consumer.Settings.ProcessDelay = 10, 128, 0
	s.Trigger.Target = 5000
	s.Load = scenario.Replayed(s.Load.Burst, "day", trace.Trace{{Seconds: 86400, Messages: 1_000_000}})
	simulated(b, s, 1, time.Minute)
}
