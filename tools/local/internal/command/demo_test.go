package command

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/demo"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

func TestConclude(t *testing.T) {
	late := errors.New("the demo was not over")
	for name, test := range map[string]struct {
		verdict demo.Verdict
		err     error
		prints  bool
		want    string
	}{
		"green":                     {demo.Verdict{OK: true, Produced: 1}, nil, true, ""},
		"red":                       {demo.Verdict{Produced: 1}, nil, true, "the demo failed, see above"},
		"not over, but judged":      {demo.Verdict{Produced: 1}, late, true, late.Error()},
		"over before it was judged": {demo.Verdict{}, late, false, late.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			got := ""
			if err := (&environment{out: &out, log: progress.New(&out)}).conclude(demo.Report{Verdict: test.verdict}, test.err, "report"); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
			for _, part := range []string{"first scale-up", "the report is report/index.html"} {
				if strings.Contains(out.String(), part) != test.prints {
					t.Errorf("printed %q, with %q: %t", out.String(), part, !test.prints)
				}
			}
		})
	}
}
