// Package worker is the consumer's work: it receives messages from a queue,
// stores the event of each one, and only then deletes the message.
//
//	poll ─ messages → store ─ stored → delete
//
// The goroutine of Run owns the account of what the worker has in hand, and
// starts everything: polls as long as there is room, one goroutine a batch that
// has its messages stored, and deletes of up to ten messages. Each of them reports
// to it when it is done, and Run returns when none is left.
//
// With a CONCURRENCY of 1 there is room for one batch: polling, storing and
// deleting follow each other. With more they overlap.
//
// The package knows no AWS: Queue and Store are all that it asks for.
package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/shutdown"
)

// Queue is what the worker needs of a queue and of its dead-letter queue. A call gets
// at most MaxBatch messages.
type Queue interface {
	// Receive waits for messages for at most wait, and hides up to limit of them
	// from other receivers for the time of visibility.
	Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]Message, error)
	// Delete deletes messages. It tries once: the worker tries again.
	Delete(ctx context.Context, messages []Message) ([]Failure, error)
	// Hide changes for how long, from now, each message stays hidden: each has its
	// own time, and 0 makes it visible.
	Hide(ctx context.Context, messages []Message, times []time.Duration) ([]Failure, error)
	// Quarantine sends a message to the dead-letter queue as it came, with the
	// reason beside it. It tries once.
	Quarantine(ctx context.Context, m Message, reason string) error
}

// Store is what the worker needs of the place where events go.
type Store interface {
	// Put stores an object unless its key is taken, which it reports. It tries once.
	Put(ctx context.Context, key, body string) (taken bool, err error)
}

// MaxBatch is how many messages a call to Queue has at most.
const MaxBatch = 10

// Message is a message as a receive brings it.
type Message struct {
	ID, Handle, Body string
	Attributes       map[string]Attribute
	// Received is how often the message was received, this time included.
	Received int
}

// Attribute is a message attribute: a text, or bytes if the type says so.
type Attribute struct {
	Type, Text string
	Bytes      []byte
}

// Failure is the failure of one message of a call.
type Failure struct {
	// Index is the message's place in the call.
	Index int
	// Final reports that another try fails too.
	Final bool
	Err   error
}

const (
	// receiveRetry and receiveRetryMax bound the wait after a receive that
	// failed: unlike an empty one, it says nothing of the backlog.
	receiveRetry, receiveRetryMax = time.Second, 30 * time.Second
	// deleteDelay is how long a stored message waits for others to be deleted with.
	deleteDelay = 100 * time.Millisecond
	// summaryPeriod is how often the log says what happened, if anything did.
	summaryPeriod = 10 * time.Second
)

// Worker stores what a queue brings. Make one with New.
type Worker struct {
	queue      Queue
	store      Store
	config     config.Config
	visibility time.Duration
	// These are the constants of config; tests shorten them.
	longPoll, finish, drain time.Duration
	log                     *slog.Logger
	counters                counters
}

// New makes a worker. Visibility is the queue's timeout, which the heartbeat gives what is
// worked on. What the worker counts is in set.
func New(c config.Config, q Queue, s Store, visibility time.Duration, log *slog.Logger, set *metrics.Set) *Worker {
	return &Worker{
		queue: q, store: s, config: c, visibility: visibility, longPoll: config.LongPoll, finish: config.Finish, drain: config.Drain,
		log: log, counters: newCounters(set),
	}
}

// Run works until the total is reached or ctx ends. When asked to end it lets its
// polls end, since cancelling one can strand a message that was just assigned to
// it, finishes the messages that it is storing and hands the others back. What the
// last polls bring it stores at once: a fleet that is asked to end polls on
// together, and would pass a message that is handed back from one to the next,
// each time a receive, until the queue dead-letters it. Run returns after
// config.Drain at the latest, whatever queue and store answer.
func (w *Worker) Run(ctx context.Context) {
	begun, cancelBegun := shutdown.Outlast(ctx, w.finish)
	defer cancelBegun()
	drained, cancelDrained := shutdown.Outlast(ctx, w.drain)
	defer cancelDrained()
	r := newRun(ctx, begun, drained, w)
	r.own()
	close(r.jobs)
	r.running.Wait()
	w.log.Info("ending", "processed", r.hand.processed, "asked", ctx.Err() != nil)
}
