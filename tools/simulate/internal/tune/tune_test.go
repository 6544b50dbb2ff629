package tune

import (
	"slices"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/objective"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

func today() scenario.Scenario {
	return scenario.Scenario{
		ScaledObject: kedav1alpha1.ScaledObject{Spec: kedav1alpha1.ScaledObjectSpec{
			MinReplicaCount: new(int32(1)), MaxReplicaCount: new(int32(50)),
		}},
		Trigger:  scenario.Trigger{Target: 50, InFlight: true},
		Consumer: scenario.Consumer{Settings: consumer.Config{BatchSize: 10, Concurrency: 1}},
	}
}

func TestCandidates(t *testing.T) {
	s := today()
	all := Candidates(s)
	if len(all) < 100 || Words(all[0]) != Words(s) {
		t.Errorf("%d candidates, the first %s", len(all), Words(all[0]))
	}
	names := map[string]bool{}
	for _, c := range all {
		if names[Words(c)] {
			t.Errorf("twice: %s", Words(c))
		}
		names[Words(c)] = true
		if c.Trigger.Target < 10 {
			t.Errorf("a pod has 10 messages in hand: %s", Words(c))
		}
	}
	if Words(s) != Words(today()) {
		t.Errorf("candidates changed today's settings: %s", Words(s))
	}
}

func TestChoose(t *testing.T) {
	goal, err := objective.Parse("p99 <= 30s")
	if err != nil {
		t.Fatal(err)
	}
	of := func(p99, podSeconds float64, least int32) outcome.Prediction {
		return outcome.Prediction{Minimum: least, Prediction: report.Prediction{P99: report.Spread{P95: p99}, PodSeconds: report.Spread{P95: podSeconds}}}
	}
	all := []outcome.Prediction{of(50, 1000, 1), of(29, 3000, 1), of(28, 2000, 1), of(10, 1500, 2), of(-1, 10, 1)}
	if got := Choose(goal, all); got != 2 {
		t.Errorf("chose %d", got)
	}
	if got := Choose(goal, all[:1]); got != -1 {
		t.Errorf("chose %d, which misses", got)
	}
	if got := Shortlist(goal, all); got[0] != 0 || !slices.Contains(got, 2) || slices.Contains(got[1:], 0) {
		t.Errorf("the shortlist is %v", got)
	}
	if got := Frontier(goal, all); !slices.Equal(got, []int{4, 0, 2, 3}) {
		t.Errorf("the frontier is %v", got)
	}
}
