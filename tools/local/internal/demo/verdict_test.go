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
	burst := []Produced{
		{RequestID: "a"},
		{RequestID: "a", Duplicate: true},
		{RequestID: "b"},
		{RequestID: "x", Bad: true},
		{RequestID: "x", Bad: true, Duplicate: true},
	}
	steady := []Produced{{RequestID: "s"}, {RequestID: "y", Bad: true}}
	others := []Produced{{RequestID: "late"}, {RequestID: "z", Bad: true}}
	scaled := []Sample{{Desired: 1, Ready: 1}, {Seconds: 9, Desired: 4, Ready: 1}, {Seconds: 12, Desired: 4, Ready: 4}}
	for name, test := range map[string]struct {
		stored, dead             map[string]bool
		storedBefore, deadBefore map[string]bool
		samples                  []Sample
		burst                    int
		reasons                  []string
	}{
		"all is where it belongs":               {stored: set("a", "b", "s"), dead: set("x", "y")},
		"later ones of the steady producer":     {stored: set("a", "b", "s", "late"), dead: set("x", "y", "z")},
		"an earlier run left its events":        {stored: set("a", "b", "s", "old"), dead: set("x", "y", "old bad"), storedBefore: set("old"), deadBefore: set("old bad")},
		"a good one is lost":                    {stored: set("a", "s"), dead: set("x", "y"), reasons: []string{"1 good message is lost: b"}},
		"a duplicated one is lost once":         {stored: set("b", "s"), dead: set("x", "y"), reasons: []string{"1 good message is lost: a"}},
		"one of the steady producer is lost":    {stored: set("a", "b"), dead: set("x", "y"), reasons: []string{"1 good message is lost: s"}},
		"several are lost":                      {stored: set("s"), dead: set("x", "y"), reasons: []string{"2 good messages are lost, such as a, b"}},
		"a lost one is dead-lettered":           {stored: set("a", "s"), dead: set("x", "y", "b"), reasons: []string{"1 good message is lost: b", "1 dead-lettered message is not a bad one: b"}},
		"a bad one is stored":                   {stored: set("a", "b", "s", "x"), dead: set("x", "y"), reasons: []string{"1 stored event is bad or was never sent: x"}},
		"nobody sent what is stored":            {stored: set("a", "b", "s", "q"), dead: set("x", "y"), reasons: []string{"1 stored event is bad or was never sent: q"}},
		"an earlier run's good one, dead now":   {stored: set("a", "b", "s", "old"), dead: set("x", "y", "old"), storedBefore: set("old"), reasons: []string{"1 dead-lettered message is not a bad one: old"}},
		"a bad one is not quarantined":          {stored: set("a", "b", "s"), dead: set("y"), reasons: []string{"1 bad message is not in the dead-letter queue: x"}},
		"a steady bad one is not quarantined":   {stored: set("a", "b", "s"), dead: set("x"), reasons: []string{"1 bad message is not in the dead-letter queue: y"}},
		"nothing scaled":                        {stored: set("a", "b", "s"), dead: set("x", "y"), samples: scaled[:1], reasons: []string{"it scaled to 1 ready consumers, at least 2 were expected"}},
		"it was wanted to scale, but never did": {stored: set("a", "b", "s"), dead: set("x", "y"), samples: scaled[:2], reasons: []string{"it scaled to 1 ready consumers, at least 2 were expected"}},
		"a large burst wants more":              {stored: set("a", "b", "s"), dead: set("x", "y"), burst: 1000, reasons: []string{"it scaled to 4 ready consumers, at least 10 were expected"}},
		"one short of a large burst does not":   {stored: set("a", "b", "s"), dead: set("x", "y"), burst: 999},
	} {
		t.Run(name, func(t *testing.T) {
			samples := test.samples
			if samples == nil {
				samples = scaled
			}
			v := judge(Evidence{
				Burst: burst, Steady: steady, Others: others,
				Stored: test.stored, Dead: test.dead, StoredBefore: test.storedBefore, DeadBefore: test.deadBefore,
			}, samples, 20, test.burst)
			if !slices.Equal(v.Reasons, test.reasons) || v.OK != (len(test.reasons) == 0) {
				t.Errorf("OK %t, reasons %q, want %q", v.OK, v.Reasons, test.reasons)
			}
			if v.Produced != 5 || v.Good != 2 || v.Bad != 1 || v.SteadyGood != 1 {
				t.Errorf("%d produced, %d good, %d bad, %d steady", v.Produced, v.Good, v.Bad, v.SteadyGood)
			}
			if want := len(v.Lost) == 0 || !slices.Contains(v.Lost, "a"); (v.DuplicatesFolded == 1) != want {
				t.Errorf("%d duplicates folded, lost %v", v.DuplicatesFolded, v.Lost)
			}
		})
	}
}

func TestMeasure(t *testing.T) {
	v := Verdict{FirstScaleUp: -1, TimeToPeak: -1, Samples: []Sample{
		{Desired: 1, Ready: 1, Visible: 3},
		{Seconds: 3, Desired: 1, Ready: 1, Visible: 100, InFlight: 5, Delayed: 50},
		{Seconds: 9, Desired: 4, Ready: 1, InFlight: 50},
		{Seconds: 11, Desired: 4, Ready: 4},
		{Seconds: 20, Desired: 1, Ready: 1},
	}}
	v.measure()
	if v.PeakBacklog != 105 || v.FirstScaleUp != 9 || v.PeakReplicas != 4 || v.TimeToPeak != 11 {
		t.Errorf("peak backlog %d, first scale-up %v, peak %d after %v", v.PeakBacklog, v.FirstScaleUp, v.PeakReplicas, v.TimeToPeak)
	}
	empty := judge(Evidence{}, nil, -1, 1)
	if empty.OK || !strings.Contains(empty.String(), "first scale-up        never") {
		t.Errorf("a run without samples: %s", empty)
	}
}
