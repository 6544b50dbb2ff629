package world

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
)

// tally counts what becomes of messages. Those that were made from begins until the load
// was sent are measured, those of a steady producer among them.
type tally struct {
	mu     sync.Mutex
	began  time.Time
	ended  time.Time // zero while the load is being sent
	keys   map[uint64]struct{}
	seed   maphash.Seed
	sent   int
	gone   []time.Time // when the measured ones were deleted that were made while the load was sent
	took   []time.Duration
	stored int
	// quarantined are dead letters, dead those of measured messages.
	quarantined, dead int
	perSecond         []int
	first, last       time.Time // of the load's messages
}

func newTally() *tally { return &tally{keys: map[uint64]struct{}{}, seed: maphash.MakeSeed()} }

// begin is when the load begins.
func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Now()
}

// end is when the load is sent.
func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = time.Now()
}

// loading reports whether the load is on its way.
func (t *tally) loading() bool { return !t.began.IsZero() && t.ended.IsZero() }

// measures reports whether a message of that time is measured.
func (t *tally) measures(made time.Time) bool {
	return !t.began.IsZero() && !made.Before(t.began) && (t.ended.IsZero() || !made.After(t.ended))
}

func (t *tally) onSent(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.loading() || n == 0 {
		return
	}
	if t.sent == 0 {
		t.first = time.Now()
	}
	t.sent += n
	t.last = time.Now()
}

// onStored reports whether the key is taken.
func (t *tally) onStored(key, body string) bool {
	hash := maphash.String(t.seed, key)
	made, known := madeAt(body)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.keys[hash]; taken {
		return true
	}
	t.keys[hash] = struct{}{}
	if t.began.IsZero() {
		return false
	}
	t.stored++
	second := int(time.Since(t.began).Seconds())
	for len(t.perSecond) <= second {
		t.perSecond = append(t.perSecond, 0)
	}
	t.perSecond[second]++
	if known && t.measures(made) {
		t.took = append(t.took, time.Since(made))
	}
	return false
}

func (t *tally) onQuarantined(body string) {
	made, known := madeAt(body)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return
	}
	t.quarantined++
	if known && t.measures(made) {
		t.dead++
	}
}

func (t *tally) onDeleted(messages []worker.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range messages {
		if made, known := madeAt(m.Body); known && t.measures(made) {
			t.gone = append(t.gone, time.Now())
		}
	}
}

// drained is when the last measured message was deleted; false while one is left.
func (t *tally) drained() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended.IsZero() || len(t.gone) < t.sent || t.sent == 0 {
		return time.Time{}, false
	}
	return t.gone[len(t.gone)-1], true
}

// latencies are sorted.
func (t *tally) latencies() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.took)
	return t.took
}
