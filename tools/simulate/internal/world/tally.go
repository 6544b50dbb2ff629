package world

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
)

// tally counts what happens to messages. It measures the load's messages, as make demo
// measures its burst's, and not those of a steady producer.
type tally struct {
	mu    sync.Mutex
	began time.Time
	// ended means that the load is sent.
	ended bool
	seed  maphash.Seed
	// known has the states of messages, by the hash of their request_id.
	known map[uint64]state
	// sent counts the load's messages, gone those of them that were deleted; last is when
	// the last one was stored or dead-lettered.
	sent, gone int
	last       time.Time
	took       []time.Duration
	// stored and quarantined count the messages of all producers, dead the load's dead
	// letters.
	stored, quarantined, dead int
	perSecond                 []int
	firstSent, lastSent       time.Time // the load's messages
}

// state is the state of a message.
type state uint8

const (
	ofLoad state = 1 << iota
	isStored
)

func newTally() *tally { return &tally{known: map[uint64]state{}, seed: maphash.MakeSeed()} }

// begin records the start of the load.
func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Now()
}

// end records that the load is sent.
func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// onSent is called before messages of the load are sent, because a consumer may be fast.
func (t *tally) onSent(bodies []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == 0 {
		t.firstSent = time.Now()
	}
	t.sent += len(bodies)
	t.lastSent = time.Now()
	for _, body := range bodies {
		t.known[t.hash(idOf(body))] |= ofLoad
	}
}

// onStored records a stored event, and reports whether it was stored before.
func (t *tally) onStored(body string) bool {
	made, dated := madeAt(body)
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.hash(idOf(body))
	known := t.known[id]
	if known&isStored != 0 {
		return true
	}
	t.known[id] = known | isStored
	if t.began.IsZero() {
		return false
	}
	t.stored++
	second := int(time.Since(t.began).Seconds())
	for len(t.perSecond) <= second {
		t.perSecond = append(t.perSecond, 0)
	}
	t.perSecond[second]++
	if known&ofLoad != 0 && dated {
		t.took = append(t.took, time.Since(made))
		t.last = time.Now()
	}
	return false
}

func (t *tally) onQuarantined(body string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return
	}
	t.quarantined++
	if t.known[t.hash(idOf(body))]&ofLoad != 0 {
		t.dead++
		t.last = time.Now()
	}
}

func (t *tally) onDeleted(messages []worker.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range messages {
		if t.known[t.hash(idOf(m.Body))]&ofLoad != 0 {
			t.gone++
		}
	}
}

// drained returns when the last message of the load was stored or dead-lettered; false if
// some are still in the queue.
func (t *tally) drained() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.ended && t.sent > 0 && t.gone >= t.sent
}

// latencies returns the sorted latencies.
func (t *tally) latencies() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.took)
	return t.took
}

func (t *tally) hash(id string) uint64 { return maphash.String(t.seed, id) }

// idOf returns the request_id of an event's body, madeAt its ts. They search the text,
// because there may be a million bodies, and all were encoded from this repository's own
// type.
func idOf(body string) string {
	id, _ := field(body, `"request_id":"`)
	return id
}

func madeAt(body string) (time.Time, bool) {
	text, found := field(body, `"ts":"`)
	if !found {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

func field(body, key string) (string, bool) {
	_, rest, found := strings.Cut(body, key)
	text, _, closed := strings.Cut(rest, `"`)
	return text, found && closed
}
