package demo

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// The ledger has exactly the producer's messages: every id once, with duplicates marked.
func TestLedger(t *testing.T) {
	source := events.Source{Seed: 3, BadPercent: 20, DuplicatePercent: 30}
	l := newLedger(source, 1000)
	times := map[string]int{}
	for i := range 1000 {
		m := source.At(i)
		times[m.RequestID]++
		rank, known := l.rank(m.RequestID)
		if !known || l.id(rank) != m.RequestID || l.bad(rank) != m.Bad || l.eventType(rank) != m.EventType || !l.required(rank) {
			t.Fatalf("message %d, %+v: rank %d, %t", i, m, rank, known)
		}
		if b := parseBody([]byte(m.Body(noon))); !l.asSent(rank, b) {
			t.Fatalf("message %d is not as it was sent: %s", i, b.text)
		}
	}
	if len(times) != len(l.burst) || l.demanded() != len(times) {
		t.Errorf("%d ids, %d demanded, want %d", len(l.burst), l.demanded(), len(times))
	}
	for rank, m := range l.burst {
		if m.twice != (times[l.id(rank)] == 2) {
			t.Errorf("%s was sent %d times, twice is %t", m.id, times[l.id(rank)], m.twice)
		}
	}
	for _, other := range []string{"", "x", strings.ToUpper(l.id(0)), "{" + l.id(0) + "}", "00000000-0000-0000-0000-000000000000"} {
		if rank, known := l.rank(other); known {
			t.Errorf("%q is known at %d", other, rank)
		}
	}
}

// An unknown time is between its neighbours'.
func TestSentAt(t *testing.T) {
	l := &ledger{total: 6}
	for name, test := range map[string]struct {
		known map[int32]float64
		want  []float64
	}{
		"none":         {nil, nil},
		"all":          {map[int32]float64{0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6}, []float64{1, 2, 3, 4, 5, 6}},
		"two":          {map[int32]float64{1: 1, 4: 4}, []float64{1, 1, 2, 3, 4, 4}},
		"the ends":     {map[int32]float64{0: 0, 5: 10}, []float64{0, 2, 4, 6, 8, 10}},
		"not in order": {map[int32]float64{0: 2, 1: 1, 5: 5}, []float64{1, 2, 2, 3, 4, 5}},
		"one of them":  {map[int32]float64{3: 7}, []float64{7, 7, 7, 7, 7, 7}},
	} {
		got := l.sentAt(test.known)
		if !slices.EqualFunc(got, test.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A million messages are judged in 64 MB: the sent messages are computed, the listing and
// the dead-letter queue are streams, and only a sample of bodies is read.
func TestAMillionMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("computes a million messages: seconds")
	}
	const total, limit = 1_000_000, 64 << 20
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	l := newLedger(events.Source{Seed: 1, BadPercent: 1}, total)
	k, at := newLook(l, "sales-events", noon), noon.Add(time.Minute)
	lost := l.id(slices.IndexFunc(l.burst, func(e entry) bool { return !e.bad }))
	read := 0
	for rank, e := range l.burst {
		m := l.source.At(int(e.position))
		path := key("sales-events", m.EventType, day(noon), m.RequestID)
		switch {
		case m.RequestID == lost:
		case m.Bad:
			k.letter(DeadLetter{RequestID: m.RequestID, Reason: "no store_id", Sent: at, Body: m.Body(noon)})
		case k.object(path, at):
			k.read(path, at, parseBody([]byte(m.Body(noon))))
			read++
		}
		if rank == total/2 {
			if grown := heap() - before; grown > limit {
				t.Errorf("%d MB half-way", grown>>20)
			}
		}
	}
	r := newReport(record{started: noon, look: k, scaling: scaling{Scaling: report.Scaling{Target: 50}}})
	if v := r.Verdict; !slices.Equal(v.Lost, []string{lost}) || len(v.Reasons) != 1 || v.Good+v.Bad != total || v.Stored != v.Good-1 || v.Quarantined != v.Bad {
		t.Errorf("%d good, %d stored, %d bad, %d quarantined, reasons %q", v.Good, v.Stored, v.Bad, v.Quarantined, v.Reasons)
	}
	if read < maxRead*9/10 || read > 2*maxRead {
		t.Errorf("%d bodies read", read)
	}
	grown := heap() - before
	runtime.KeepAlive(k)
	if grown > limit {
		t.Errorf("%d MB for a million messages", grown>>20)
	}
	t.Logf("%d MB, %d bodies read", grown>>20, read)
}
