package worker

import (
	"context"
	"sync"
	"time"
)

// run is one execution of a worker.
type run struct {
	*Worker
	// asked ends when the worker is asked to end, begun when the calls must end
	// that had begun by then, and drained when all must.
	asked, begun, drained context.Context
	// jobs are what the storers wait for: there is one for each message that may be stored
	// at the same time, as soon as so many are in hand. They stay: the SDK's calls are deep,
	// and a new goroutine for each message would grow its stack anew, for a fifth of all
	// processor time.
	jobs chan job
	// These are how the goroutines that own has started report to it.
	polled  chan poll
	handled chan handled
	settled chan settled
	running sync.WaitGroup

	// Only own uses the following.

	hand    hand
	storers int
	// stored are the messages to delete next. Until late the first of them waits
	// for more.
	stored []*message
	late   <-chan time.Time
	// pause is a break between polls, after an empty one or one that failed.
	pause         <-chan time.Time
	empty, failed backoff
	since         summary
}

// poll is what a poll brought that asked for up to limit messages.
type poll struct {
	limit    int
	messages []Message
	err      error
}

// handled is how the work on one message ended. After an error it stays in the
// batch's care.
type handled struct {
	*message
	result string
	took   time.Duration
	err    error
}

// settled is how many messages are no longer in hand, and why.
type settled struct {
	messages int
	how      outcome
}

type outcome int

const (
	// processed is stored or quarantined, and deleted if that was possible.
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

// own tracks the messages in hand, until there are none and no more can come.
// It starts the work that can be done now, and then waits for the next report.
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
	// It stops as if the worker had been asked to end only now.
	if b.until, b.last = r.asked, r.asked.Err() != nil; b.last {
		b.until = r.begun
	}
	for ; r.storers < min(r.hand.concurrency, r.hand.held); r.storers++ {
		r.running.Go(r.storer)
	}
	r.running.Go(func() { r.process(b) })
}

// rest pauses between polls. Several that end alike are one reason.
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
