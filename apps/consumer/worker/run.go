package worker

import (
	"context"
	"sync"
	"time"
)

// run is one execution of a worker.
type run struct {
	*Worker
	// asked ends when the worker is asked to end, begun when calls that had begun by then
	// must end, and drained when everything must.
	asked, begun, drained context.Context
	// jobs feeds the storers. There is one storer for each message that may be stored at
	// the same time, started when enough messages are held. They stay, because the SDK's
	// calls are deep: a new goroutine for each message would grow its stack again, for a
	// fifth of all processor time.
	jobs chan job
	// The goroutines that own has started report on these channels.
	polled  chan poll
	handled chan handled
	settled chan settled
	running sync.WaitGroup

	// Only own uses the fields below.

	hand    hand
	storers int
	// stored are the messages to delete next. Until late, the first of them waits for
	// more.
	stored []*message
	late   <-chan time.Time
	// pause is the wait after an empty or failed poll.
	pause         <-chan time.Time
	empty, failed backoff
	since         summary
}

// poll is the result of a poll that asked for up to limit messages.
type poll struct {
	limit    int
	messages []Message
	err      error
}

// handled is the result for one message. A message with an error stays with its batch.
type handled struct {
	*message
	result string
	took   time.Duration
	err    error
}

// settled says how many messages are no longer held, and why.
type settled struct {
	messages int
	how      outcome
}

type outcome int

const (
	// processed: stored or quarantined, and deleted if that was possible.
	processed outcome = iota
	putOff
	handedBack
)

func newRun(asked, begun, drained context.Context, w *Worker) *run {
	return &run{
		Worker: w, asked: asked, begun: begun, drained: drained,
		jobs: make(chan job), polled: make(chan poll), handled: make(chan handled), settled: make(chan settled),
		hand: hand{
			batch: w.config.BatchSize, concurrency: max(1, w.config.Concurrency), most: w.config.InHand(), total: w.config.Total,
			timeout: w.visibility - w.config.ProcessDelay, pollers: 1,
		},
		empty:  backoff{first: w.config.Backoff, max: w.config.BackoffMax},
		failed: backoff{first: receiveRetry, max: receiveRetryMax},
	}
}

// own tracks the messages held, until there are none and no more can come. In a loop it
// starts the work that is possible now, and waits for the next report.
func (r *run) own() {
	summaries := time.NewTicker(summaryPeriod)
	defer summaries.Stop()
	asked := r.asked.Done()
	for {
		r.startPolls()
		if n := len(r.stored); n == MaxBatch || n > 0 && !r.hand.mayGrow(n) {
			r.startDelete()
		}
		r.counters.inFlight.Set(float64(r.hand.held))
		if r.hand.empty() && (r.asked.Err() != nil || r.hand.complete()) {
			r.since.log(r.log, &r.hand)
			return
		}
		select {
		case <-asked:
			asked = nil
		case p := <-r.polled:
			r.onPoll(p)
		case h := <-r.handled:
			r.onHandled(h)
		case s := <-r.settled:
			r.hand.settle(s)
		case <-r.late:
			r.startDelete()
		case <-r.pause:
			r.pause = nil
		case <-summaries.C:
			r.since.log(r.log, &r.hand)
			r.since = summary{}
		}
	}
}

func (r *run) startPolls() {
	if r.asked.Err() != nil || r.pause != nil {
		return
	}
	for limit := r.hand.room(); limit > 0; limit = r.hand.room() {
		r.hand.begin(limit)
		r.running.Go(func() {
			messages, err := r.receive(r.begun, limit)
			r.polled <- poll{limit, messages, err}
		})
	}
}

func (r *run) onPoll(p poll) {
	r.hand.end(p)
	if p.err != nil {
		r.log.Warn("receive failed", "error", p.err)
		r.rest(&r.failed)
		return
	}
	r.failed.reset()
	if len(p.messages) == 0 {
		r.rest(&r.empty)
		return
	}
	r.empty.reset()
	r.pause = nil
	b := newBatch(p.messages)
	// After this batch it stops, as if it had been asked to end now.
	if b.until, b.last = r.asked, r.asked.Err() != nil; b.last {
		b.until = r.begun
	}
	for ; r.storers < min(r.hand.concurrency, r.hand.held); r.storers++ {
		r.running.Go(r.storer)
	}
	r.running.Go(func() { r.process(b) })
}

// rest starts a pause between polls, unless one is running.
func (r *run) rest(b *backoff) {
	if r.pause == nil {
		r.pause = time.After(b.next())
	}
}

func (r *run) onHandled(h handled) {
	r.hand.measure(h.took)
	r.since.add(h)
	if h.err != nil {
		r.hand.failed++
		return
	}
	r.stored = append(r.stored, h.message)
	if len(r.stored) == 1 && r.hand.concurrency > 1 {
		r.late = time.After(deleteDelay)
	}
}

func (r *run) startDelete() {
	messages := r.stored
	r.stored, r.late = nil, nil
	r.hand.deleting += len(messages)
	r.running.Go(func() {
		r.delete(messages)
		r.settled <- settled{len(messages), processed}
	})
}
