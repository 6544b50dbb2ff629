package world

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// golden is the result of a run, without its course.
type golden struct {
	Shape      string  `json:"shape"`
	Phase      int     `json:"phase"`
	Messages   int     `json:"messages"`
	Dead       int     `json:"dead"`
	Drained    float64 `json:"drained"`
	Settled    float64 `json:"settled"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	PodSeconds float64 `json:"podSeconds"`
	Requests   int64   `json:"requests"`
	// Pods are the numbers that the HPA set.
	Pods []int32 `json:"pods"`
}

// TestGolden: if a number here changes, the model, KEDA, Kubernetes or a workload has
// changed. Check the change, then run go test -update.
func TestGolden(t *testing.T) {
	var got []golden
	for _, shape := range []string{"step", "ramp", "sparse", "two-bursts"} {
		lines, err := scenario.LoadTrace(filepath.Join("../../../../apps/producer/deploy/local/traces", shape+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		s := local(1)
		s.Load.Burst.BadPercent, s.Load.Burst.DuplicatePercent = 10, 5
		steady := s.Load.Steady
		s.Load = scenario.Replayed(s.Load.Burst, shape, lines)
		s.Load.Steady = steady
		for phase := range 2 {
			r := simulate(t, s, Phase{5 * phase, 8})
			got = append(got, golden{
				Shape: shape, Phase: 5 * phase, Messages: r.Messages, Dead: r.Dead, Drained: r.Drained, Settled: r.Settled,
				P50: r.P50, P99: r.P99, PodSeconds: r.PodSeconds, Requests: r.Requests, Pods: rescales(r),
			})
		}
	}
	const file = "testdata/golden.json"
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []golden
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d runs, %s has %d", len(got), file, len(want))
	}
	for i := range got {
		if !got[i].like(want[i]) {
			t.Errorf("the run differs from %s:\n got %+v\nwant %+v", file, got[i], want[i])
		}
	}
}

// like reports whether two results are of the same run. The order of simultaneous events
// is not fixed, which makes a difference of some milliseconds and a poll or two.
func (g golden) like(other golden) bool {
	near := func(a, b, by float64) bool { return math.Abs(a-b) <= by }
	return g.Shape == other.Shape && g.Phase == other.Phase && g.Messages == other.Messages && g.Dead == other.Dead &&
		near(g.Drained, other.Drained, 0.1) && near(g.P99, other.P99, 0.1) && near(g.P50, other.P50, 2.1) && g.Settled == other.Settled &&
		g.PodSeconds == other.PodSeconds && near(float64(g.Requests), float64(other.Requests), 10) && slices.Equal(g.Pods, other.Pods)
}
