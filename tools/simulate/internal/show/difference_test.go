package show

import (
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

// TestDifference: a table of both sides; a ScaledObject that is new or removed has one
// side.
func TestDifference(t *testing.T) {
	side := func(drain float64) *outcome.Prediction {
		return &outcome.Prediction{Load: "a burst", Prediction: report.Prediction{Phases: 9, Drain: report.Spread{P5: 1, P50: drain, P95: 99}}}
	}
	for name, test := range map[string]struct {
		d    Difference
		want []string
	}{
		"same": {Difference{Same: true}, []string{"Nothing differs"}},
		"changed": {
			Difference{Changed: []scenario.Change{{Setting: "queueLength", Before: "50", After: "200"}}, Before: side(40), After: side(60)},
			[]string{"- queueLength: 50 → 200", "| until drained | 40 s (1.0 s to 99 s) | 60 s (1.0 s to 99 s) | +50 % |"},
		},
		"new":  {Difference{Revision: "main", After: side(60)}, []string{"- new: there is no", "main", "| until drained |  | 60 s (1.0 s to 99 s) | new |"}},
		"gone": {Difference{Before: side(40)}, []string{"- gone: ", "| until drained | 40 s (1.0 s to 99 s) |  | gone |"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := test.d.Write(&b, "markdown"); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("lacks %q:\n%s", want, &b)
				}
			}
		})
	}
}
