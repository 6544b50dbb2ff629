package demo

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is when every event of these tests is of.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func sent(id string, bad bool) Produced {
	return Produced{RequestID: id, Type: "sale_event", TS: noon, Bad: bad, SHA256: digest([]byte(event(id, bad)))}
}

func again(m Produced) Produced {
	m.Duplicate = true
	return m
}

// stored are the objects of good events, each where it belongs.
func stored(ids ...string) (objects []Object) {
	for _, id := range ids {
		objects = append(objects, Object{Key: key(id), SHA256: sent(id, false).SHA256})
	}
	return objects
}

// dead are bad events that the consumer quarantined.
func dead(ids ...string) (letters []DeadLetter) {
	for _, id := range ids {
		letters = append(letters, DeadLetter{RequestID: id, Reason: "no store_id", SHA256: sent(id, true).SHA256})
	}
	return letters
}

func TestJudge(t *testing.T) {
	const source = "arn:aws:sqs:eu-west-1:000000000000:q"
	burst := []Produced{sent("a", false), again(sent("a", false)), sent("b", false), sent("x", true), again(sent("x", true))}
	steady := []Produced{sent("s", false), sent("y", true)}
	others := []Produced{sent("late", false), sent("z", true)}
	sum, badSum := sent("a", false).SHA256, sent("x", true).SHA256
	// All but a and x, of which most of the cases are.
	good, bad := stored("b", "s"), dead("y")
	for name, test := range map[string]struct {
		objects             []Object
		dead                []DeadLetter
		stored, quarantined int
		folded              int
		reasons             []string
	}{
		"all is where it belongs":           {stored("a", "b", "s"), dead("x", "y"), 2, 1, 1, nil},
		"both of a bad one and its copy":    {stored("a", "b", "s"), dead("x", "x", "y"), 2, 1, 1, nil},
		"later ones of the steady producer": {stored("a", "b", "s", "late"), dead("x", "y", "z"), 2, 1, 1, nil},

		"a good one is lost":                 {stored("a", "s"), dead("x", "y"), 1, 1, 1, []string{"1 good message is lost: b"}},
		"a duplicated one is lost once":      {good, dead("x", "y"), 1, 1, 0, []string{"1 good message is lost: a"}},
		"one of the steady producer is lost": {stored("a", "b"), dead("x", "y"), 2, 1, 1, []string{"1 good message is lost: s"}},
		"several are lost":                   {stored("s"), dead("x", "y"), 0, 1, 0, []string{"2 good messages are lost, such as a, b"}},
		"a lost one is dead-lettered": {
			stored("a", "s"), append(dead("x", "y"), DeadLetter{RequestID: "b", Reason: "?", SHA256: sent("b", false).SHA256}), 1, 1, 1,
			[]string{"1 good message is lost: b", "1 dead-lettered message is not a bad one: b"},
		},

		"a bad one is stored":         {stored("a", "b", "s", "x"), dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: x"}},
		"nobody sent what is stored":  {stored("a", "b", "s", "q"), dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: q"}},
		"something else is stored":    {append(stored("a", "b", "s"), Object{Key: "notes.txt"}), dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: notes.txt"}},
		"nobody sent what is dead":    {stored("a", "b", "s"), dead("x", "y", "q"), 2, 1, 1, []string{"1 dead-lettered message is not a bad one: q"}},
		"what is dead is not as sent": {stored("a", "b", "s"), append(bad, DeadLetter{RequestID: "x", Reason: "no store_id", SHA256: sum}), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: x"}},

		"another prefix": {append(good, Object{Key: "event_type=sale_event/dt=2026_01_01/a.json", SHA256: sum}), dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + layout + ": event_type=sale_event/dt=2026_01_01/a.json"}},
		"another type":   {append(good, Object{Key: "sales-events/event_type=inventory_event/dt=2026_01_01/a.json", SHA256: sum}), dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + layout + ": sales-events/event_type=inventory_event/dt=2026_01_01/a.json"}},
		"another day":    {append(good, Object{Key: "sales-events/event_type=sale_event/dt=2026_01_02/a.json", SHA256: sum}), dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + layout + ": sales-events/event_type=sale_event/dt=2026_01_02/a.json"}},
		"no .json":       {append(good, Object{Key: "sales-events/event_type=sale_event/dt=2026_01_01/a", SHA256: sum}), dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + layout + ": sales-events/event_type=sale_event/dt=2026_01_01/a"}},
		"at two keys": {
			append(stored("a", "b", "s"), Object{Key: "a.json", SHA256: sum}), dead("x", "y"), 2, 1, 0,
			[]string{"1 event is not stored at " + layout + ": a.json", "1 event is stored at more than one key: a"},
		},
		"an empty object": {append(good, Object{Key: key("a"), SHA256: digest(nil)}), dead("x", "y"), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: a"}},

		"a bad one is not quarantined":        {stored("a", "b", "s"), bad, 2, 0, 1, []string{"1 bad message is not in the dead-letter queue: x"}},
		"a steady bad one is not quarantined": {stored("a", "b", "s"), dead("x"), 2, 1, 1, []string{"1 bad message is not in the dead-letter queue: y"}},
		"SQS dead-lettered it": {
			stored("a", "b", "s"), append(bad, DeadLetter{RequestID: "x", Source: source, SHA256: badSum}), 2, 0, 1,
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: x"},
		},
		"SQS dead-lettered what had a reason": {
			stored("a", "b", "s"), append(bad, DeadLetter{"x", "no store_id", source, badSum}), 2, 0, 1,
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: x"},
		},
		"SQS dead-lettered a good one": {
			stored("b", "s"), append(dead("x", "y"), DeadLetter{RequestID: "a", Source: source, SHA256: sum}), 1, 1, 0,
			[]string{"1 good message is lost: a", "1 dead-lettered message is not a bad one: a", "1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: a"},
		},
		"no reason": {stored("a", "b", "s"), append(bad, DeadLetter{RequestID: "x", SHA256: badSum}), 2, 0, 1, []string{"1 dead-lettered message has no quarantine_reason: x"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(Evidence{Burst: burst, Steady: steady, Others: others, Prefix: "sales-events", Objects: test.objects, Dead: test.dead}, nil, 20, 1, scaling{target: 5})
			if !slices.Equal(v.Reasons, test.reasons) || v.OK != (len(test.reasons) == 0) {
				t.Errorf("OK %t, reasons %q, want %q", v.OK, v.Reasons, test.reasons)
			}
			if v.Produced != 5 || v.Good != 2 || v.Bad != 1 || v.SteadyGood != 1 {
				t.Errorf("%d produced, %d good, %d bad, %d steady", v.Produced, v.Good, v.Bad, v.SteadyGood)
			}
			if v.Stored != test.stored || v.Quarantined != test.quarantined || v.DuplicatesFolded != test.folded {
				t.Errorf("%d stored, %d quarantined, %d folded, want %d, %d, %d", v.Stored, v.Quarantined, v.DuplicatesFolded, test.stored, test.quarantined, test.folded)
			}
		})
	}
}

// The key is the one of the consumer's own test.
func TestKey(t *testing.T) {
	m := Produced{RequestID: "r-1", Type: "sale_event", TS: time.Date(2026, 11, 23, 0, 30, 0, 0, time.FixedZone("", 3600))}
	for prefix, want := range map[string]string{
		"":       "event_type=sale_event/dt=2026_11_22/r-1.json",
		"/":      "event_type=sale_event/dt=2026_11_22/r-1.json",
		"a":      "a/event_type=sale_event/dt=2026_11_22/r-1.json",
		"/a/b//": "a/b/event_type=sale_event/dt=2026_11_22/r-1.json",
	} {
		if got := m.key(prefix); got != want {
			t.Errorf("prefix %q: %s, want %s", prefix, got, want)
		}
	}
}

func TestMeasure(t *testing.T) {
	v := Verdict{FirstScaleUp: -1, TimeToPeak: -1}
	v.measure([]Sample{
		{Desired: 1, Ready: 1, Visible: 3},
		{Seconds: 3, Desired: 1, Ready: 1, Visible: 100, InFlight: 5, Delayed: 50},
		{Seconds: 9, Desired: 4, Ready: 1, InFlight: 50},
		{Seconds: 11, Desired: 4, Ready: 4},
		{Seconds: 20, Desired: 1, Ready: 1},
	})
	if v.PeakBacklog != 105 || v.FirstScaleUp != 9 || v.PeakReplicas != 4 || v.TimeToPeak != 11 {
		t.Errorf("peak backlog %d, first scale-up %v, peak %d after %v", v.PeakBacklog, v.FirstScaleUp, v.PeakReplicas, v.TimeToPeak)
	}
	empty := judge(Evidence{}, nil, -1, 100, scaling{minimum: 1, maximum: 50, target: 50})
	if empty.OK || !strings.Contains(empty.String(), "first scale-up        never") {
		t.Errorf("a run without samples: %s", empty)
	}
}
