package demo

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// noon is the time of every event in these tests.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// few is a small run. Its burst is the good a, which was sent twice, the good b, and
// the bad x, sent twice. The steady producer's s and the bad y are required, its late
// and the bad z are not.
type few struct {
	*ledger
	names map[string]string // short names to request_ids, where they differ
}

func newFew(t *testing.T) few {
	t.Helper()
	f := few{newLedger(events.Source{Seed: 1, BadPercent: 30, DuplicatePercent: 50}, 200), map[string]string{}}
	// Sorted by id, as in the reasons.
	for _, wanted := range []entry{{twice: true}, {}, {bad: true, twice: true}} {
		i := slices.IndexFunc(f.burst[len(f.names):], func(e entry) bool { return e.bad == wanted.bad && e.twice == wanted.twice })
		if i < 0 {
			t.Fatal("this seed has no such messages")
		}
		f.burst = slices.Delete(f.burst, len(f.names), len(f.names)+i)
		f.names[string("abx"[len(f.names)])] = f.burst[len(f.names)].id.String()
	}
	f.burst, f.total = f.burst[:3], 5
	f.add([]Produced{steady("s", false), steady("y", true)}, true)
	f.add([]Produced{steady("late", false), steady("z", true)}, false)
	return f
}

func steady(id string, bad bool) Produced {
	return Produced{RequestID: id, Type: "sale_event", TS: noon, Bad: bad, SHA256: digest([]byte(event(id, bad)))}
}

// named returns the request_id for a short name.
func (f few) named(name string) string { return cmp.Or(f.names[name], name) }

// in replaces {a}, {b} and {x} with their request_ids.
func (f few) in(s string) string {
	for name, id := range f.names {
		s = strings.ReplaceAll(s, "{"+name+"}", id)
	}
	return s
}

func (f few) body(name string) string {
	rank, known := f.rank(f.named(name))
	switch {
	case !known:
		return event(name, false)
	case f.ofBurst(rank):
		return f.source.At(int(f.burst[rank].position)).Body(noon)
	}
	return event(name, f.bad(rank))
}

// file is an object of the bucket.
type file struct{ path, body string }

func (f few) typeOf(name string) string {
	if rank, known := f.rank(f.named(name)); known && f.ofBurst(rank) {
		return f.eventType(rank)
	}
	return "sale_event"
}

// stored returns the objects of events, under the right keys.
func (f few) stored(names ...string) (files []file) {
	for _, name := range names {
		files = append(files, file{key("sales-events", f.typeOf(name), "2026_01_01", f.named(name)), f.body(name)})
	}
	return files
}

// dead returns dead letters for events that the consumer quarantined.
func (f few) dead(names ...string) (letters []DeadLetter) {
	for _, name := range names {
		letters = append(letters, DeadLetter{RequestID: f.named(name), Reason: "no store_id", Sent: noon, Body: f.body(name)})
	}
	return letters
}

// look returns a look that finds these objects and letters, and reads the bodies.
func (f few) look(files []file, letters []DeadLetter) *look {
	k, at := newLook(f.ledger, "sales-events", noon), noon.Add(time.Second)
	for _, file := range files {
		if k.object(file.path, at) {
			k.read(file.path, at, parseBody([]byte(file.body)))
		}
	}
	for _, letter := range letters {
		k.letter(letter)
	}
	return k
}

func TestJudge(t *testing.T) {
	const source = "arn:aws:sqs:eu-west-1:000000000000:q"
	f := newFew(t)
	// All except a and x, which most cases are about.
	good, bad := f.stored("b", "s"), f.dead("y")
	a, x := f.stored("a")[0], f.dead("x")[0]
	at := func(path string) []file { return append(slices.Clip(good), file{path, a.body}) }
	letter := func(l DeadLetter) []DeadLetter { return append(slices.Clip(bad), l) }
	other := map[string]string{"sale_event": "inventory_event", "inventory_event": "sale_event"}[f.typeOf("a")]
	wrong := func(old, replacement string) string { return strings.Replace(a.path, old, replacement, 1) }
	for name, test := range map[string]struct {
		files               []file
		letters             []DeadLetter
		stored, quarantined int
		folded              int
		reasons             []string
	}{
		"all is where it belongs":           {f.stored("a", "b", "s"), f.dead("x", "y"), 2, 1, 1, nil},
		"both of a bad one and its copy":    {f.stored("a", "b", "s"), f.dead("x", "x", "y"), 2, 1, 1, nil},
		"later ones of the steady producer": {f.stored("a", "b", "s", "late"), f.dead("x", "y", "z"), 2, 1, 1, nil},
		"what another run left in the dead-letter queue": {
			f.stored("a", "b", "s"), append(f.dead("x", "y"), DeadLetter{RequestID: "q", Sent: noon.Add(-time.Minute)}), 2, 1, 1, nil,
		},

		"a good one is lost":                 {f.stored("a", "s"), f.dead("x", "y"), 1, 1, 1, []string{"1 good message is lost: {b}"}},
		"a duplicated one is lost once":      {good, f.dead("x", "y"), 1, 1, 0, []string{"1 good message is lost: {a}"}},
		"one of the steady producer is lost": {f.stored("a", "b"), f.dead("x", "y"), 2, 1, 1, []string{"1 good message is lost: s"}},
		"several are lost":                   {f.stored("s"), f.dead("x", "y"), 0, 1, 0, []string{"2 good messages are lost, such as {a}, {b}"}},
		"a lost one is dead-lettered": {
			f.stored("a", "s"), f.dead("x", "y", "b"), 1, 1, 1,
			[]string{"1 good message is lost: {b}", "1 dead-lettered message is not a bad one: {b}"},
		},

		"a bad one is stored":        {f.stored("a", "b", "s", "x"), f.dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: {x}"}},
		"nobody sent what is stored": {f.stored("a", "b", "s", "q"), f.dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: q"}},
		"something else is stored":   {append(f.stored("a", "b", "s"), file{path: "notes.txt"}), f.dead("x", "y"), 2, 1, 1, []string{"1 stored event is bad or was never sent: notes.txt"}},
		"an id is written otherwise": {
			append(f.stored("b", "s"), file{strings.ToUpper(a.path), a.body}), f.dead("x", "y"), 1, 1, 0,
			[]string{"1 good message is lost: {a}", "1 stored event is bad or was never sent: " + strings.ToUpper(f.named("a")) + ".JSON"},
		},
		"nobody sent what is dead":    {f.stored("a", "b", "s"), f.dead("x", "y", "q"), 2, 1, 1, []string{"1 dead-lettered message is not a bad one: q"}},
		"what is dead is not as sent": {f.stored("a", "b", "s"), letter(DeadLetter{x.RequestID, x.Reason, "", noon, a.body}), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: {x}"}},

		"another prefix": {at(wrong("sales-events/", "")), f.dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + report.Layout + ": " + wrong("sales-events/", "")}},
		"another type":   {at(wrong(f.typeOf("a"), other)), f.dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + report.Layout + ": " + wrong(f.typeOf("a"), other)}},
		"another day":    {at(wrong("01_01/", "01_02/")), f.dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + report.Layout + ": " + wrong("01_01/", "01_02/")}},
		"no .json":       {at(wrong(".json", "")), f.dead("x", "y"), 2, 1, 1, []string{"1 event is not stored at " + report.Layout + ": " + wrong(".json", "")}},
		"at two keys": {
			append(f.stored("a", "b", "s"), file{f.named("a") + ".json", a.body}), f.dead("x", "y"), 2, 1, 0,
			[]string{"1 event is not stored at " + report.Layout + ": {a}.json", "1 event is stored at more than one key: {a}"},
		},
		"an empty object":   {append(slices.Clip(good), file{a.path, ""}), f.dead("x", "y"), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: {a}"}},
		"a changed object":  {append(slices.Clip(good), file{a.path, strings.Replace(a.body, "qty", "quantity", 1)}), f.dead("x", "y"), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: {a}"}},
		"another's content": {append(slices.Clip(good), file{a.path, f.body("b")}), f.dead("x", "y"), 2, 1, 1, []string{"1 message is not stored or dead-lettered as it was sent: {a}"}},

		"a bad one is not quarantined":        {f.stored("a", "b", "s"), bad, 2, 0, 1, []string{"1 bad message is not in the dead-letter queue: {x}"}},
		"a steady bad one is not quarantined": {f.stored("a", "b", "s"), f.dead("x"), 2, 1, 1, []string{"1 bad message is not in the dead-letter queue: y"}},
		"SQS dead-lettered it": {
			f.stored("a", "b", "s"), letter(DeadLetter{x.RequestID, "", source, noon, x.Body}), 2, 0, 1,
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: {x}"},
		},
		"SQS dead-lettered what had a reason": {
			f.stored("a", "b", "s"), letter(DeadLetter{x.RequestID, "no store_id", source, noon, x.Body}), 2, 0, 1,
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: {x}"},
		},
		"SQS dead-lettered a good one": {
			f.stored("b", "s"), append(f.dead("x", "y"), DeadLetter{f.named("a"), "", source, noon, a.body}), 1, 1, 0,
			[]string{"1 good message is lost: {a}", "1 dead-lettered message is not a bad one: {a}", "1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: {a}"},
		},
		"no reason": {f.stored("a", "b", "s"), letter(DeadLetter{x.RequestID, "", "", noon, x.Body}), 2, 0, 1, []string{"1 dead-lettered message has no quarantine_reason: {x}"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(f.look(test.files, test.letters), nil, scaling{Scaling: report.Scaling{Target: 5}})
			for i, reason := range test.reasons {
				test.reasons[i] = f.in(reason)
			}
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

// The key equals the one in the consumer's own test.
func TestKey(t *testing.T) {
	ts := time.Date(2026, 11, 23, 0, 30, 0, 0, time.FixedZone("", 3600))
	for prefix, want := range map[string]string{
		"":       "event_type=sale_event/dt=2026_11_22/r-1.json",
		"/":      "event_type=sale_event/dt=2026_11_22/r-1.json",
		"a":      "a/event_type=sale_event/dt=2026_11_22/r-1.json",
		"/a/b//": "a/b/event_type=sale_event/dt=2026_11_22/r-1.json",
	} {
		if got := key(prefix, "sale_event", day(ts), "r-1"); got != want {
			t.Errorf("prefix %q: %s, want %s", prefix, got, want)
		}
	}
}

func TestMeasure(t *testing.T) {
	v := Verdict{FirstScaleUp: -1, TimeToPeak: -1}
	v.Measure([]Sample{
		{Desired: 1, Ready: 1, Visible: 3},
		{Seconds: 3, Desired: 1, Ready: 1, Visible: 100, InFlight: 5, Delayed: 50},
		{Seconds: 9, Desired: 4, Ready: 1, InFlight: 50},
		{Seconds: 11, Desired: 4, Ready: 4},
		{Seconds: 20, Desired: 1, Ready: 1},
	})
	if v.PeakBacklog != 105 || v.FirstScaleUp != 9 || v.PeakReplicas != 4 || v.TimeToPeak != 11 {
		t.Errorf("peak backlog %d, first scale-up %v, peak %d after %v", v.PeakBacklog, v.FirstScaleUp, v.PeakReplicas, v.TimeToPeak)
	}
	empty := judge(newLook(newLedger(events.Source{Seed: 1}, 100), "", noon), nil, scaling{Scaling: report.Scaling{Minimum: 1, Maximum: 50, Target: 50}})
	if empty.OK || !strings.Contains(empty.String(), "first scale-up        never") {
		t.Errorf("a run without samples: %s", empty)
	}
}
