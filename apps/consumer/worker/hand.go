package worker

import (
	"log/slog"
	"time"
)

// hand counts what a worker has in hand. It decides when to poll, and for how many
// messages.
type hand struct {
	// batch is how many messages a poll asks for, concurrency how many are stored
	// at the same time, most how many may be in hand, and total after how many the
	// work is done, if it is not 0.
	batch, concurrency, most, total int
	// timeout is how much of the visibility timeout is left for storing.
	timeout time.Duration

	// held messages were received and are not settled. failed of them could not be
	// stored; deleting of them are stored and being deleted.
	held, failed, deleting int
	// polls are on their way, and may bring up to coming messages. There may be up to
	// pollers of them.
	polls, coming, pollers int
	processed              int
	// took is how long it takes to store a message: 0 until the first one is.
	took time.Duration
}

// room is how many messages a poll may ask for now; 0 is no poll. It is a whole
// batch or what is missing to the total, since a poll costs the same for one
// message as for ten.
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

// limit is how many messages may be in hand: no more than can be stored within the
// visibility timeout, as long as it has taken lately, or else a batch.
func (h *hand) limit() int {
	if h.concurrency == 1 {
		return h.batch
	}
	if h.took == 0 {
		// One for each slot, until it is known.
		return max(h.batch, h.concurrency)
	}
	inTime := float64(h.concurrency) * float64(h.timeout) / float64(h.took)
	return int(min(float64(h.most), max(float64(h.batch), inTime)))
}

// measure records how long it took to store a message.
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

// end records what a poll brought. After a full answer another poll may start, because
// more messages may be waiting; an empty queue has one poll.
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

// mayGrow reports whether more may come to be deleted with n messages.
func (h *hand) mayGrow(n int) bool { return h.polls > 0 || n+h.deleting+h.failed < h.held }

// empty reports whether nothing is in hand, and nothing may come.
func (h *hand) empty() bool { return h.held == 0 && h.polls == 0 }

func (h *hand) complete() bool { return h.total > 0 && h.processed >= h.total }

// summary counts what happened since the last line of the log that says so.
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
