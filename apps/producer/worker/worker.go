// Package worker does the producer's work: it sends the events of a seed to a queue, at a
// pace, with some calls at the same time.
//
// It takes the events in the order of their positions. When it is asked to end, it
// finishes the calls that have begun. So it has always sent the first n events of its
// seed, in whatever order they arrive. It must not know SQS beyond the interface Queue,
// and reads neither environment nor files.
package worker

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/apps/internal/shutdown"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

// Queue is the part of SQS that the worker needs. *sqs.Client implements it.
type Queue interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Worker sends events. It can Run only once.
type Worker struct {
	config   config.Config
	queue    Queue
	queueURL string
	log      *slog.Logger
	counters counters
	pace     pace
	trace    trace.Trace

	// Only the goroutine that dispatches uses the fields below.
	source   events.Source
	position int       // the next event
	ts       time.Time // time of the last event that is not a duplicate

	acknowledged atomic.Int64
}

// New returns a worker that sends to the queue at queueURL. If t has lines it replays
// them; the settings then name its file. If the seed is 0, it draws one. The worker
// counts the messages that SQS acknowledged, by event type and deliberate fault.
func New(
	c config.Config, t trace.Trace, queue Queue, queueURL string, log *slog.Logger, set *metrics.Set,
) *Worker {
	if c.Seed == 0 {
		c.Seed = 1 + rand.IntN(math.MaxInt)
	}
	return &Worker{
		config: c, queue: queue, queueURL: queueURL, log: log, counters: newCounters(set), pace: newPace(c, t), trace: t,
		source: events.Source{Seed: c.Seed, BadPercent: c.BadPercent, DuplicatePercent: c.DuplicatePercent},
	}
}

// Run sends until the total is reached, ctx ends, or sending fails for good; the error
// says why it failed. After the end of ctx it returns within config.Drain.
func (w *Worker) Run(ctx context.Context) error {
	w.announce()
	err := w.dispatch(ctx)
	sent := w.acknowledged.Load()
	switch {
	case err != nil:
		w.log.Warn("not all was sent", "sent", sent, "dispatched", w.position, "seed", w.config.Seed)
	case w.left() > 0:
		w.log.Info("asked to end", "sent", sent, "seed", w.config.Seed)
	default:
		w.log.Info("total reached", "total", w.config.Total, "seed", w.config.Seed)
	}
	return err
}

// announce logs what is needed to compute which messages will be sent, and when.
func (w *Worker) announce() {
	facts := []any{"seed", w.config.Seed, "total", w.config.Total, "concurrency", w.config.Concurrency}
	if len(w.trace) > 0 {
		facts = append(facts, "trace", w.config.Trace,
			"replay_messages", w.trace.Messages(), "replay_seconds", int(w.trace.Duration().Seconds()))
	}
	w.log.Info("producing", facts...)
}

// left returns the number of events that are still to be dispatched.
func (w *Worker) left() int {
	if w.config.Total == 0 {
		return math.MaxInt
	}
	return w.config.Total - w.position
}

// dispatch starts one send after the other, at most CONCURRENCY at the same time.
func (w *Worker) dispatch(ctx context.Context) error {
	sending, cancel := shutdown.Outlast(ctx, config.Drain)
	defer cancel()
	// A final failure prevents further sends, but does not cancel those that have begun.
	going, stop := context.WithCancel(ctx)
	defer stop()
	var sends errgroup.Group
	free := make(chan struct{}, w.config.Concurrency)
	for range w.config.Concurrency {
		free <- struct{}{}
	}
	for w.left() > 0 {
		select {
		case <-going.Done():
		case <-free:
		}
		// Only after a slot is free, so that the messages are not long overdue.
		n, err := w.pace.next(going, w.left())
		if err != nil {
			break
		}
		batch := w.take(n)
		sends.Go(func() error {
			err := w.send(sending, batch)
			if err != nil {
				stop()
			}
			free <- struct{}{}
			return err
		})
	}
	return sends.Wait()
}

// take returns the next n messages.
func (w *Worker) take(n int) []outgoing {
	batch := make([]outgoing, n)
	for i := range batch {
		m := w.source.At(w.position)
		// A duplicate repeats the message before it, including its time.
		if !m.Duplicate {
			w.ts = time.Now().UTC()
		}
		batch[i] = outgoing{Message: m, position: w.position, ts: w.ts, body: m.Body(w.ts)}
		w.position++
	}
	return batch
}

// sleep waits for d. If ctx ends first, it returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
