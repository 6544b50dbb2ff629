package demo

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/producer/events"
)

// ledger holds what was sent: the burst, which follows from its seed, and the messages
// that the steady producer logged meanwhile. A message is named by its rank. A burst's
// message takes some 25 bytes, because its content is computed when needed and not
// stored.
type ledger struct {
	source events.Source
	// total is the number of messages in the burst, duplicates included.
	total int
	// burst has the burst's request_ids in order; they have the first ranks.
	burst []entry
	// steady has the steady producer's messages in the order of its log; ranks has their
	// places in it by request_id.
	steady []steadyEntry
	ranks  map[string]int
	// sample: the body of every sample-th message is read.
	sample int
}

// entry is a message of the burst.
type entry struct {
	id       uuid.UUID
	position int32
	// twice reports whether the message was sent a second time.
	bad, twice bool
}

// steadyEntry is a message of the steady producer.
type steadyEntry struct {
	Produced
	// required reports whether the message must be at its destination; the others may be.
	required bool
}

// maxRead is about the number of bodies that a verdict reads. A burst of up to twice that
// many is read in full, a larger one is sampled evenly.
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

// add adds the steady producer's messages that the ledger does not have yet. If required,
// they must be at their destination.
func (l *ledger) add(messages []Produced, required bool) {
	for _, m := range messages {
		if _, known := l.ranks[m.RequestID]; !known {
			l.ranks[m.RequestID] = l.size()
			l.steady = append(l.steady, steadyEntry{m, required})
		}
	}
}

// size returns the number of ranks.
func (l *ledger) size() int { return len(l.burst) + len(l.steady) }

// demanded returns how many messages must be at their destination.
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
	// Parse also accepts other spellings of the same id.
	if err != nil || id.String() != requestID {
		return 0, false
	}
	return slices.BinarySearchFunc(l.burst, id, func(e entry, id uuid.UUID) int { return bytes.Compare(e.id[:], id[:]) })
}

// ofBurst reports whether the rank is a message of the burst.
func (l *ledger) ofBurst(rank int) bool { return rank < len(l.burst) }

// id returns a message's request_id.
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

// required reports whether the message must be at its destination.
func (l *ledger) required(rank int) bool {
	return l.ofBurst(rank) || l.steady[rank-len(l.burst)].required
}

// eventType returns the attribute event_type of a message of the burst.
func (l *ledger) eventType(rank int) string {
	return l.source.At(int(l.burst[rank].position)).EventType
}

// sampled reports whether the message's body is to be read.
func (l *ledger) sampled(rank int) bool {
	return !l.ofBurst(rank) || int(l.burst[rank].position)%l.sample == 0
}

// asSent reports whether a body is the one that was sent. For a message of the burst it
// follows from the seed and the event's ts; for a steady one the log has its hash.
func (l *ledger) asSent(rank int, b body) bool {
	if l.ofBurst(rank) {
		return string(b.text) == l.source.At(int(l.burst[rank].position)).Body(b.TS)
	}
	return l.steady[rank-len(l.burst)].SHA256 == digest(b.text)
}

// sentAt returns the sending times of all messages, in seconds and in order, from those
// of some, by position. It assumes that the messages between two known ones were sent
// evenly.
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
