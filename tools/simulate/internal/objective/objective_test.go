package objective

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

func TestParse(t *testing.T) {
	for _, text := range []string{"p99 <= 30s", "drain <= 1m0s, p50 <= 5s", "p95 <= 10s at burst 1500"} {
		o, err := Parse(text)
		if err != nil || o.String() != text {
			t.Errorf("%q became %q, %v", text, o, err)
		}
	}
	for _, text := range []string{"", "p99", "p98 <= 3s", "p99 <= 3", "p99 < 3s", "p99 <= -3s", "p99 <= 3s at burst many", "p99 <= 3s at burst 0"} {
		if o, err := Parse(text); err == nil {
			t.Errorf("%q became %+v", text, o)
		}
	}
}

func TestMissed(t *testing.T) {
	p := report.Prediction{P99: report.Spread{P5: 10, P50: 20, P95: 40}, Drain: report.Spread{P5: 10, P50: 20, P95: -1}}
	for text, want := range map[string]int{"p99 <= 40s": 0, "p99 <= 39s": 1, "drain <= 1000h": 1, "p99 <= 1s, drain <= 1s": 2} {
		o, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Missed(p); len(got) != want {
			t.Errorf("%s: %q", text, got)
		}
		if met := o.Worst(p) <= 1; met != (want == 0) {
			t.Errorf("%s: %g times its limit", text, o.Worst(p))
		}
	}
}
