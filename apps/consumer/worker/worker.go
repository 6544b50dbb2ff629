// Package worker does the consumer's work: it receives messages from a queue, stores the
// event of each, and only then deletes the message.
//
//	poll ─ messages → store ─ stored → delete
//
// The goroutine of Run tracks the messages that the worker holds, and starts everything:
// polls as long as there is room, one goroutine for each batch, which has its messages
// stored, and deletes of up to ten messages. Each of them reports back when it is done.
// Run returns when none is left.
//
// With a CONCURRENCY of 1 there is room for one batch, so polling, storing and deleting
// follow each other. With more they overlap.
//
// The package must not know AWS beyond the interfaces Queue and Store.
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
	// Receive waits up to wait for messages, and hides up to limit of them from other
	// receivers for visibility.
	Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]Message, error)
	// Delete deletes messages. It does not retry: the worker does.
	Delete(ctx context.Context, messages []Message) ([]Failure, error)
	// Hide sets for how long, from now, each message stays hidden. times has one entry
	// for each message; 0 makes it visible.
	Hide(ctx context.Context, messages []Message, times []time.Duration) ([]Failure, error)
	// Quarantine sends a message unchanged to the dead-letter queue, with the reason as
	// an attribute. It does not retry.
	Quarantine(ctx context.Context, m Message, reason string) error
}

// Store is what the worker needs of the events' destination.
type Store interface {
	// Put stores an object unless its key is taken, and reports whether it was. It does
	// not retry.
	Put(ctx context.Context, key, body string) (taken bool, err error)
}

// MaxBatch is the largest number of messages in a call of Queue.
const MaxBatch = 10

// Message is a received message.
type Message struct {
	ID, Handle, Body string
	Attributes       map[string]Attribute
	// Received counts the message's receives, this one included.
	Received int
}

// Attribute is a message attribute: a text, or bytes if the type says so.
type Attribute struct {
	Type, Text string
	Bytes      []byte
}

// Failure says that one message of a call failed.
type Failure struct {
	// Index is the message's position in the call.
	Index int
	// Final reports that a retry would fail, too.
	Final bool
	Err   error
}

const (
	// receiveRetry and receiveRetryMax limit the wait after a failed receive. Unlike an
	// empty one, it says nothing about the backlog.
	receiveRetry, receiveRetryMax = time.Second, 30 * time.Second
	// deleteDelay is how long a stored message waits for others to share its delete call.
	deleteDelay = 100 * time.Millisecond
	// summaryPeriod is the time between summary lines in the log; a period without events
	// has none.
	summaryPeriod = 10 * time.Second
)

// Worker stores the events of a queue. Create one with New.
type Worker struct {
	queue      Queue
	store      Store
	config     config.Config
	visibility time.Duration
	// The constants of package config; tests shorten them.
	longPoll, finish, drain time.Duration
	log                     *slog.Logger
	counters                counters
}

// New returns a worker. visibility is the queue's timeout, to which the heartbeat extends
// messages that take long. The worker registers its metrics in set.
func New(c config.Config, q Queue, s Store, visibility time.Duration, log *slog.Logger, set *metrics.Set) *Worker {
	return &Worker{
		queue: q, store: s, config: c, visibility: visibility, longPoll: config.LongPoll, finish: config.Finish, drain: config.Drain,
		log: log, counters: newCounters(set),
	}
}

// Run works until the total is reached or ctx ends. When ctx ends it waits for its polls,
// because cancelling one can strand a message that SQS has just assigned to it. It
// finishes the messages that it is storing, and returns the others to the queue. The
// messages of the last polls are stored at once: if they went back, and a whole fleet was
// asked to end, they would pass from consumer to consumer, each time with a receive,
// until the queue dead-letters them. Run returns after config.Drain at the latest, even
// if queue and store do not answer.
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
