package worker

import (
	"log/slog"
	"time"
)

// hand counts the messages that the worker holds. It decides when to poll, and for how
// many messages.
type hand struct {
	// batch is the number of messages that a poll asks for, concurrency the number that
	// are stored at the same time, and most the largest number to hold. After total
	// messages the work is done, unless total is 0.
	batch, concurrency, most, total int
	// timeout is the part of the visibility timeout that is left for storing.
	timeout time.Duration

	// held counts messages that were received and are not settled. Of these, failed could
	// not be stored, and deleting are stored and being deleted.
	held, failed, deleting int
	// polls counts the polls in flight, which may bring up to coming messages; pollers is
	// their maximum.
	polls, coming, pollers int
	processed              int
	// took is the time that storing a message takes; 0 until the first one is stored.
	took time.Duration
}

// room returns how many messages a poll may ask for now; 0 means no poll. It is a whole
// batch or the rest of the total, since a poll costs the same for one message as for ten.
func (h *hand) room() int {
	limit := h.limit()
	batch := min(h.batch, limit)
	if h.polls == h.pollers || h.held+h.coming+batch > limit {
		return 0
	}
	if h.total > 0 {
		batch = min(batch, h.total-h.processed-h.held-h.coming)
	}
	return batch
}

// limit returns how many messages the worker may hold: as many as it can store within the
// visibility timeout, at the recent time for each, but at least a batch.
func (h *hand) limit() int {
	if h.concurrency == 1 {
		return h.batch
	}
	if h.took == 0 {
		// One for each storer, until the time is known.
		return max(h.batch, h.concurrency)
	}
	inTime := float64(h.concurrency) * float64(h.timeout) / float64(h.took)
	return int(min(float64(h.most), max(float64(h.batch), inTime)))
}

// measure records the time that storing a message took.
func (h *hand) measure(took time.Duration) {
	const weight = 8
	if h.took == 0 {
		h.took = took
	}
	h.took = max(1, h.took+(took-h.took)/weight)
}

func (h *hand) begin(limit int) {
	h.polls++
	h.coming += limit
}

// end records the result of a poll. After a full one another poller may start, because
// more messages may be waiting; on an empty queue there is one.
func (h *hand) end(p poll) {
	h.polls--
	h.coming -= p.limit
	h.held += len(p.messages)
	switch n := len(p.messages); {
	case n == 0:
		h.pollers = 1
	case n == p.limit:
		h.pollers = min(h.pollers+1, max(1, h.most/h.batch))
	case n < p.limit/2:
		h.pollers = max(1, h.pollers-1)
	}
}

func (h *hand) settle(s settled) {
	h.held -= s.messages
	switch s.how {
	case processed:
		h.deleting -= s.messages
		h.processed += s.messages
	case putOff:
		h.failed -= s.messages
	case handedBack:
	}
}

// mayGrow reports whether more messages may join a delete of n.
func (h *hand) mayGrow(n int) bool { return h.polls > 0 || n+h.deleting+h.failed < h.held }

// empty reports whether the worker holds nothing and no poll is in flight.
func (h *hand) empty() bool { return h.held == 0 && h.polls == 0 }

func (h *hand) complete() bool { return h.total > 0 && h.processed >= h.total }

// summary counts the results since the last summary line in the log.
type summary struct{ stored, duplicates, quarantined, failed int }

func (s *summary) add(h handled) {
	switch {
	case h.err != nil:
		s.failed++
	case h.result == resultNew:
		s.stored++
	case h.result == resultDuplicate:
		s.duplicates++
	default:
		s.quarantined++
	}
}

func (s *summary) log(log *slog.Logger, h *hand) {
	if *s == (summary{}) {
		return
	}
	log.Info("worked", "stored", s.stored, "duplicates", s.duplicates, "quarantined", s.quarantined, "failed", s.failed,
		"in_hand", h.held, "polls", h.polls, "store_ms", h.took.Milliseconds())
}
