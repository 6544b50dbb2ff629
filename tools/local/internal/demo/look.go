package demo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// look is what one look at the bucket and at the dead-letter queue finds of the
// messages of a ledger. What was there before the start, and is no message of the
// burst, is another run's.
type look struct {
	*ledger
	prefix  string
	started time.Time

	// keys counts, by rank, under how many keys a message is stored; dead says
	// what is in the dead-letter queue of it.
	keys []uint8
	dead []letters
	// Lost and NotQuarantined are not known before a look is over, see missing.
	report.Faults

	// storedAt is when each object was written, took how long the burst's events
	// took to get there, and made when those of some positions were made; in
	// seconds, storedAt and made since the start.
	storedAt, took []float64
	made           map[int32]float64
	// fine: LastModified has fractions of a second here.
	fine bool
	// last is when the last message of the burst was stored or dead-lettered.
	last float64
}

// letters are the kinds of dead letters that a message has.
type letters uint8

const (
	anyLetter letters = 1 << iota
	// explained: a consumer sent it, with its reason.
	explained
)

func newLook(l *ledger, prefix string, started time.Time) *look {
	return &look{
		ledger: l, prefix: prefix, started: started,
		keys: make([]uint8, l.size()), dead: make([]letters, l.size()), made: map[int32]float64{},
	}
}

// body is that of a message.
type body struct {
	RequestID string    `json:"request_id"`
	TS        time.Time `json:"ts"`
	text      []byte
}

// parseBody reads as much of a body as it can.
func parseBody(text []byte) body {
	b := body{text: text}
	_ = json.Unmarshal(text, &b)
	return b
}

// key is where an event belongs whose ts is of that day, as YYYY_MM_DD.
func key(prefix, eventType, day, requestID string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/event_type=%s/dt=%s/%s.json", strings.Trim(prefix, "/"), eventType, day, requestID), "/")
}

// day is that of a time as keys have it.
func day(t time.Time) string { return t.UTC().Format("2006_01_02") }

var dayInKey = regexp.MustCompile(`/?dt=(\d{4}_\d{2}_\d{2})/`)

// object records an object, and reports whether its body is worth reading.
func (k *look) object(path string, modified time.Time) bool {
	id := storedID(path)
	rank, known := k.rank(id)
	if k.old(modified) && (!known || !k.ofBurst(rank)) {
		return false
	}
	k.storedAt = append(k.storedAt, k.seconds(modified))
	k.fine = k.fine || modified.Nanosecond() != 0
	if !known || k.bad(rank) {
		k.Unexpected = append(k.Unexpected, id)
		return false
	}
	if k.keys[rank]++; k.keys[rank] > 1 {
		k.Repeated = append(k.Repeated, id)
	}
	k.ends(rank, modified)
	if !k.belongs(rank, path, modified) {
		k.Misplaced = append(k.Misplaced, path)
	}
	return k.sampled(rank)
}

// belongs reports whether a message may be stored under that key: one of the burst
// on some day between the start of the run and the writing.
func (k *look) belongs(rank int, path string, modified time.Time) bool {
	if !k.ofBurst(rank) {
		m := k.steady[rank-len(k.burst)]
		return path == key(k.prefix, m.Type, day(m.TS), m.RequestID)
	}
	found := dayInKey.FindStringSubmatch(path)
	return found != nil && day(k.started) <= found[1] && found[1] <= day(modified) &&
		path == key(k.prefix, k.eventType(rank), found[1], k.id(rank))
}

// read records the body of an object.
func (k *look) read(path string, modified time.Time, b body) {
	rank, _ := k.rank(storedID(path))
	if !k.asSent(rank, b) {
		k.Altered = append(k.Altered, k.id(rank))
		return
	}
	if !k.ofBurst(rank) {
		return
	}
	if !strings.Contains(path, "dt="+day(b.TS)+"/") {
		k.Misplaced = append(k.Misplaced, path)
	}
	m := k.burst[rank]
	k.made[m.position] = k.seconds(b.TS)
	// What was sent twice may be written twice as well.
	if !m.twice {
		// A LastModified in whole seconds can be before the event.
		k.took = append(k.took, max(0, modified.Sub(b.TS).Seconds()))
	}
}

// letter records a message of the dead-letter queue.
func (k *look) letter(l DeadLetter) {
	rank, known := k.rank(l.RequestID)
	if k.old(l.Sent) && (!known || !k.ofBurst(rank)) {
		return
	}
	switch {
	case l.Source != "":
		k.Redriven = append(k.Redriven, l.RequestID)
	case l.Reason == "":
		k.Unexplained = append(k.Unexplained, l.RequestID)
	}
	if !known {
		k.WronglyQuarantined = append(k.WronglyQuarantined, l.RequestID)
		return
	}
	k.dead[rank] |= anyLetter
	if l.Source == "" && l.Reason != "" {
		k.dead[rank] |= explained
	}
	k.ends(rank, l.Sent)
	b := parseBody([]byte(l.Body))
	if !k.bad(rank) {
		k.WronglyQuarantined = append(k.WronglyQuarantined, l.RequestID)
	}
	if !k.asSent(rank, b) {
		k.Altered = append(k.Altered, l.RequestID)
	} else if k.ofBurst(rank) {
		k.made[k.burst[rank].position] = k.seconds(b.TS)
	}
}

// ends takes down that a message came to its end.
func (k *look) ends(rank int, at time.Time) {
	if k.ofBurst(rank) {
		k.last = max(k.last, k.seconds(at))
	}
}

// steadyAt is when the steady producer's required messages were made, in seconds
// since the start.
func (k *look) steadyAt() (at []float64) {
	for _, m := range k.steady {
		if m.required {
			at = append(at, k.seconds(m.TS))
		}
	}
	return at
}

// seconds is a time since the start.
func (k *look) seconds(t time.Time) float64 { return t.Sub(k.started).Seconds() }

// old reports whether that was before the start: a LastModified may have whole
// seconds.
func (k *look) old(t time.Time) bool { return t.Before(k.started.Truncate(time.Second)) }

// missing lists the messages, good and bad, that are not at their destination.
func (k *look) missing(bad bool) []string {
	var ids []string
	for rank := range k.size() {
		if k.bad(rank) == bad && k.required(rank) && !k.atEnd(rank) {
			ids = append(ids, k.id(rank))
		}
	}
	return ids
}

// atEnd reports whether a message is at its destination.
func (k *look) atEnd(rank int) bool {
	if k.bad(rank) {
		return k.dead[rank] != 0
	}
	return k.keys[rank] > 0
}
