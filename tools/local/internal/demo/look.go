package demo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// look holds what one look at the bucket and the dead-letter queue finds of a ledger's
// messages. Objects and letters that were there before the start, and are no message of
// the burst, belong to another run.
type look struct {
	*ledger
	prefix  string
	started time.Time

	// keys counts, by rank, the keys under which a message is stored; dead has the kinds
	// of its dead letters.
	keys []uint8
	dead []letters
	// Lost and NotQuarantined are known only after the whole look, see missing.
	report.Faults

	// All in seconds: storedAt has the times since the start when each object was
	// written; took how long each event of the burst took to get there; made, by
	// position, when some messages were made, since the start.
	storedAt, took []float64
	made           map[int32]float64
	// fine reports whether LastModified has fractions of a second.
	fine bool
	// last is when the last message of the burst was stored or dead-lettered.
	last float64
}

// letters are the kinds of dead letters that a message has.
type letters uint8

const (
	anyLetter letters = 1 << iota
	// explained means that a consumer sent it, with its reason.
	explained
)

func newLook(l *ledger, prefix string, started time.Time) *look {
	return &look{
		ledger: l, prefix: prefix, started: started,
		keys: make([]uint8, l.size()), dead: make([]letters, l.size()), made: map[int32]float64{},
	}
}

// body is the body of a message.
type body struct {
	RequestID string    `json:"request_id"`
	TS        time.Time `json:"ts"`
	text      []byte
}

// parseBody decodes as much of a body as it can.
func parseBody(text []byte) body {
	b := body{text: text}
	_ = json.Unmarshal(text, &b)
	return b
}

// key returns the key of an event whose ts is on that day, in the form YYYY_MM_DD.
func key(prefix, eventType, day, requestID string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/event_type=%s/dt=%s/%s.json", strings.Trim(prefix, "/"), eventType, day, requestID), "/")
}

// day returns a time's day in the form that keys have.
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

// belongs reports whether a message may be stored under that key. For a message of the
// burst, any day from the start of the run to the writing is right.
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
	// A duplicate may be written twice as well.
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

// ends records when a message arrived at its destination.
func (k *look) ends(rank int, at time.Time) {
	if k.ofBurst(rank) {
		k.last = max(k.last, k.seconds(at))
	}
}

// steadyAt returns when the steady producer's required messages were made, in seconds
// since the start.
func (k *look) steadyAt() (at []float64) {
	for _, m := range k.steady {
		if m.required {
			at = append(at, k.seconds(m.TS))
		}
	}
	return at
}

// seconds returns a time in seconds since the start.
func (k *look) seconds(t time.Time) float64 { return t.Sub(k.started).Seconds() }

// old reports whether a time is before the start. LastModified may have whole seconds.
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
