package demo

import (
	"strings"
	"testing"
)

func TestJudgeScaling(t *testing.T) {
	samples := []Sample{{Desired: 1, Ready: 1}, {Seconds: 9, Desired: 4, Ready: 1}, {Seconds: 12, Desired: 4, Ready: 4}}
	for name, test := range map[string]struct {
		samples []Sample
		burst   int
		reason  string
	}{
		"it scaled":                             {samples, 999, ""},
		"nothing scaled":                        {samples[:1], 96, "it scaled to 1 ready consumers, at least 2 were expected"},
		"it was wanted to scale, but never did": {samples[:2], 96, "it scaled to 1 ready consumers, at least 2 were expected"},
		"a large burst wants more":              {samples, 1000, "it scaled to 4 ready consumers, at least 10 were expected"},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(Evidence{}, test.samples, 20, test.burst)
			if v.OK != (test.reason == "") || strings.Join(v.Reasons, "; ") != test.reason {
				t.Errorf("OK %t, reasons %q", v.OK, v.Reasons)
			}
		})
	}
}
