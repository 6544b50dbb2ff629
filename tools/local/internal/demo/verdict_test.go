package demo

import (
	"slices"
	"strings"
	"testing"
)

func set(ids ...string) map[string]bool {
	s := map[string]bool{}
	for _, id := range ids {
		s[id] = true
	}
	return s
}

func TestJudge(t *testing.T) {
	burst := []Produced{{RequestID: "a"}, {RequestID: "a", Duplicate: true}, {RequestID: "b"}, {RequestID: "x", Bad: true}}
	steady := []Produced{{RequestID: "s"}, {RequestID: "y", Bad: true}}
	scaled := []Sample{{Replicas: 1}, {Seconds: 3, Replicas: 1, Visible: 100}, {Seconds: 9, Replicas: 4, InFlight: 50}, {Seconds: 20, Replicas: 4}}
	for name, test := range map[string]struct {
		stored, dead map[string]bool
		samples      []Sample
		reasons      []string
	}{
		"all is where it belongs":            {set("a", "b"), set("x"), scaled, nil},
		"the steady producer's may be there": {set("a", "b", "s"), set("x", "y"), scaled, nil},
		"a good one is lost":                 {set("a"), set("x"), scaled, []string{"1 good messages are lost, such as b"}},
		"a bad one is stored":                {set("a", "b", "x"), set("x"), scaled, []string{"1 stored events are bad or were never sent, such as x"}},
		"nobody sent what is stored":         {set("a", "b", "q"), set("x"), scaled, []string{"1 stored events are bad or were never sent, such as q"}},
		"a bad one is not quarantined":       {set("a", "b"), set(), scaled, []string{"1 bad messages are not in the dead-letter queue, such as x"}},
		"a good one is quarantined":          {set("a", "b"), set("x", "s"), scaled, []string{"1 dead-lettered messages are not bad ones, such as s"}},
		"nothing scaled":                     {set("a", "b"), set("x"), scaled[:2], []string{"it scaled to 1 consumers, at least 2 were expected"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(Evidence{Burst: burst, Steady: steady, Stored: test.stored, Dead: test.dead}, test.samples, len(burst))
			if !slices.Equal(v.Reasons, test.reasons) || v.OK != (len(test.reasons) == 0) {
				t.Errorf("OK %t, reasons %q, want %q", v.OK, v.Reasons, test.reasons)
			}
			if v.Good != 2 || v.Bad != 1 || v.DuplicatesFolded != 1 {
				t.Errorf("%d good, %d bad, %d duplicates", v.Good, v.Bad, v.DuplicatesFolded)
			}
		})
	}
	v := judge(Evidence{Burst: burst}, scaled, 4)
	if v.PeakBacklog != 100 || v.FirstScaleUp != 9 || v.PeakReplicas != 4 || v.TimeToDrain != 20 {
		t.Errorf("peak backlog %d, first scale-up %v, peak %d, drained %v", v.PeakBacklog, v.FirstScaleUp, v.PeakReplicas, v.TimeToDrain)
	}
	if v := judge(Evidence{}, scaled, largeBurst); v.OK || !strings.Contains(v.String(), "at least 10") {
		t.Errorf("a large burst that reached 4 consumers passed: %s", v)
	}
}

func TestParseLogPassesOverOtherLines(t *testing.T) {
	sent, err := parseLog(strings.NewReader(`not JSON
{"msg":"total reached","total":2}
{"msg":"event produced","request_id":"a","bad":true,"duplicate":false}
{"msg":"event produced"}
{"msg":"event produced","request_id":"b","bad":false,"duplicate":true}
`))
	want := []Produced{{RequestID: "a", Bad: true}, {RequestID: "b", Duplicate: true}}
	if err != nil || !slices.Equal(sent, want) {
		t.Errorf("parsed %v, %v, want %v", sent, err, want)
	}
}
