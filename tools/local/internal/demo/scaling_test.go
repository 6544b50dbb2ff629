package demo

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// The first case is clusters/local: a queueLength of 50 and 2 s for each batch
// of 5.
func TestScaling(t *testing.T) {
	local := config.Config{BatchSize: 5, ProcessDelay: 2 * time.Second}
	tolerant := scaler(1, 50, 50)
	half := resource.MustParse("500m")
	tolerant.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: &half}}
	for name, test := range map[string]struct {
		scaler *autoscalingv2.HorizontalPodAutoscaler
		config config.Config
		least  int
		// demands are by the size of the burst.
		demands map[int]int32
	}{
		"local":                       {scaler(1, 50, 50), local, 96, map[int]int32{10: 1, 95: 1, 96: 2, 300: 2, 999: 2, 1000: 10, 1500: 10}},
		"a longer queueLength":        {scaler(1, 50, 500), local, 591, map[int]int32{590: 1, 591: 2, 1500: 2, 10000: 10}},
		"a higher tolerance":          {tolerant, local, 116, map[int]int32{115: 1, 116: 2}},
		"slower consumers":            {scaler(1, 50, 50), config.Config{BatchSize: 5, ProcessDelay: 10 * time.Second}, 66, nil},
		"as fast as they can":         {scaler(1, 50, 50), config.Config{BatchSize: 5}, 811, nil},
		"several at the minimum":      {scaler(3, 50, 50), local, 286, map[int]int32{285: 3, 286: 4, 1000: 10}},
		"a minimum above the demand":  {scaler(12, 50, 50), local, 1141, map[int]int32{1000: 12, 1500: 13}},
		"a maximum below the demand":  {scaler(1, 4, 50), local, 96, map[int]int32{1500: 4}},
		"a minimum that is a maximum": {scaler(2, 2, 50), local, 191, map[int]int32{1500: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newScaling(test.scaler, test.config)
			if err != nil || s.least() != test.least {
				t.Fatalf("the least is %d, %v, want %d", s.least(), err, test.least)
			}
			for burst, want := range test.demands {
				if got := s.demand(burst); got != want {
					t.Errorf("a burst of %d demands %d, want %d", burst, got, want)
				}
			}
			if s.note(test.least) != "" || s.note(test.least-1) == "" {
				t.Errorf("notes %q, %q", s.note(test.least), s.note(test.least-1))
			}
		})
	}
	const want = "a burst of 10 need not scale: a consumer is wanted for 50 messages and 10 % more are tolerated, and up to 40 are gone before the HPA looks; 96 is the least that must"
	if s, err := newScaling(scaler(1, 50, 50), local); err != nil || s.note(10) != want {
		t.Errorf("the note is %q, %v", s.note(10), err)
	}
	if _, err := newScaling(scaler(1, 50, 0), local); err == nil || !strings.Contains(err.Error(), "no target for each consumer") {
		t.Errorf("an HPA without a target: %v", err)
	}
}

func TestJudgeScaling(t *testing.T) {
	samples := []Sample{{Desired: 1, Ready: 1}, {Seconds: 9, Desired: 4, Ready: 1}, {Seconds: 12, Desired: 4, Ready: 4}}
	s := scaling{Scaling: report.Scaling{Minimum: 1, Maximum: 50, Target: 50, Tolerance: 0.1}, early: 40}
	for name, test := range map[string]struct {
		samples []Sample
		burst   int
		reason  string
	}{
		"it scaled":                             {samples, 999, ""},
		"nothing scaled":                        {samples[:1], 96, "it scaled to 1 ready consumers, at least 2 were expected"},
		"it was wanted to scale, but never did": {samples[:2], 96, "it scaled to 1 ready consumers, at least 2 were expected"},
		"nothing had to scale":                  {samples[:1], 95, ""},
		"a large burst wants more":              {samples, 1000, "it scaled to 4 ready consumers, at least 10 were expected"},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(&look{ledger: &ledger{total: test.burst}}, test.samples, s)
			if v.OK != (test.reason == "") || strings.Join(v.Reasons, "; ") != test.reason || (v.Note == "") != (test.burst >= 96) {
				t.Errorf("OK %t, reasons %q, note %q", v.OK, v.Reasons, v.Note)
			}
		})
	}
}
