package demo

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/producer/events"
)

// ledger is what was sent: the burst, which follows from its seed, and what the
// steady producer says that it sent beside it. A message is named by its rank.
// The burst takes some 25 bytes a message, and is computed, not remembered.
type ledger struct {
	source events.Source
	// total is how many messages the burst has, with its duplicates.
	total int
	// burst has the burst's request_ids, in their order; its ranks are first.
	burst []entry
	// steady has the steady producer's, in the order of its log, and ranks their
	// places in it.
	steady []steadyEntry
	ranks  map[string]int
	// sample is how many messages there are to one whose body is read.
	sample int
}

// entry is a message of the burst.
type entry struct {
	id       uuid.UUID
	position int32
	// twice: it was sent a second time.
	bad, twice bool
}

// steadyEntry is a message of the steady producer.
type steadyEntry struct {
	Produced
	// required: it must be at its destination. The others may be.
	required bool
}

// maxRead is about how many bodies a verdict reads: all of a burst up to twice
// that, and an even sample of a larger one.
const maxRead = 10000

// newLedger computes the messages of a burst.
func newLedger(source events.Source, total int) *ledger {
	l := &ledger{source: source, total: total, sample: max(1, total/maxRead), ranks: map[string]int{}}
	l.burst = make([]entry, 0, total)
	for position := range total {
		m := source.At(position)
		if m.Duplicate {
			l.burst[len(l.burst)-1].twice = true
			continue
		}
		l.burst = append(l.burst, entry{id: uuid.MustParse(m.RequestID), position: int32(position), bad: m.Bad})
	}
	slices.SortFunc(l.burst, func(a, b entry) int { return bytes.Compare(a.id[:], b.id[:]) })
	return l
}

// add adds messages of the steady producer, except those that it has. They must be at
// their destination if they are required.
func (l *ledger) add(messages []Produced, required bool) {
	for _, m := range messages {
		if _, known := l.ranks[m.RequestID]; !known {
			l.ranks[m.RequestID] = l.size()
			l.steady = append(l.steady, steadyEntry{m, required})
		}
	}
}

// size is the number of ranks.
func (l *ledger) size() int { return len(l.burst) + len(l.steady) }

// demanded is how many messages must be at their destination.
func (l *ledger) demanded() int {
	n := len(l.burst)
	for _, m := range l.steady {
		if m.required {
			n++
		}
	}
	return n
}

// rank finds a message by its request_id.
func (l *ledger) rank(requestID string) (int, bool) {
	if rank, ok := l.ranks[requestID]; ok {
		return rank, true
	}
	id, err := uuid.Parse(requestID)
	// Parse also accepts other ways to write one.
	if err != nil || id.String() != requestID {
		return 0, false
	}
	return slices.BinarySearchFunc(l.burst, id, func(e entry, id uuid.UUID) int { return bytes.Compare(e.id[:], id[:]) })
}

// ofBurst reports whether the rank is a message of the burst.
func (l *ledger) ofBurst(rank int) bool { return rank < len(l.burst) }

// id is a message's request_id.
func (l *ledger) id(rank int) string {
	if l.ofBurst(rank) {
		return l.burst[rank].id.String()
	}
	return l.steady[rank-len(l.burst)].RequestID
}

func (l *ledger) bad(rank int) bool {
	if l.ofBurst(rank) {
		return l.burst[rank].bad
	}
	return l.steady[rank-len(l.burst)].Bad
}

// required reports whether the message must be at its end.
func (l *ledger) required(rank int) bool {
	return l.ofBurst(rank) || l.steady[rank-len(l.burst)].required
}

// eventType is the attribute event_type of a message of the burst.
func (l *ledger) eventType(rank int) string {
	return l.source.At(int(l.burst[rank].position)).EventType
}

// sampled reports whether the message's body is to be read.
func (l *ledger) sampled(rank int) bool {
	return !l.ofBurst(rank) || int(l.burst[rank].position)%l.sample == 0
}

// asSent reports whether a body is the one that was sent: the body of a burst's message
// follows from its seed and its ts, and for a steady one the log has the hash.
func (l *ledger) asSent(rank int, b body) bool {
	if l.ofBurst(rank) {
		return string(b.text) == l.source.At(int(l.burst[rank].position)).Body(b.TS)
	}
	return l.steady[rank-len(l.burst)].SHA256 == digest(b.text)
}

// sentAt makes of the times of some messages of the burst, by position, those of
// all: what lies between two of them was sent evenly. They are seconds, in order.
func (l *ledger) sentAt(known map[int32]float64) []float64 {
	if len(known) == 0 {
		return nil
	}
	type point struct {
		position int32
		at       float64
	}
	points := make([]point, 0, len(known))
	for position, at := range known {
		points = append(points, point{position, at})
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.position, b.position) })
	times := make([]float64, l.total)
	next := 0
	for i := range times {
		for next < len(points)-1 && int(points[next].position) < i {
			next++
		}
		b := points[next]
		a := points[max(0, next-1)]
		switch {
		case int(b.position) <= i || next == 0:
			times[i] = b.at
		default:
			times[i] = a.at + (b.at-a.at)*float64(int32(i)-a.position)/float64(b.position-a.position)
		}
	}
	slices.Sort(times)
	return times
}
