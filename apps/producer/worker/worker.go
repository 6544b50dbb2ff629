// Package worker is the producer's work: it sends the events of a seed to a queue, at
// a pace, some calls side by side.
//
// It takes the events in the order of their positions, and when it is asked to end,
// lets the calls that have begun end too. So what it has sent is the first n events of
// its seed, in whatever order they arrive. It knows SQS only as Queue, and reads
// neither environment nor files.
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

// Queue is what the worker asks of SQS. *sqs.Client is one.
type Queue interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Worker sends events once: Run ends it.
type Worker struct {
	config   config.Config
	queue    Queue
	queueURL string
	log      *slog.Logger
	counters counters
	pace     pace
	trace    trace.Trace

	// Of the one goroutine that dispatches.
	source   events.Source
	position int       // of the next event
	ts       time.Time // of the last event that was no duplicate

	acknowledged atomic.Int64
}

// New makes a worker that sends to the queue at queueURL. It replays t if that has
// lines; the settings then name its file. A seed of 0 is drawn here. The messages that SQS
// acknowledged are counted by event type and deliberate fault.
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

// Run sends until the total is reached, ctx ends, or sending fails for good, which is
// the error. After the end of ctx it returns within config.Drain.
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

// announce says what is needed to compute what will be sent, and when.
func (w *Worker) announce() {
	facts := []any{"seed", w.config.Seed, "total", w.config.Total, "concurrency", w.config.Concurrency}
	if len(w.trace) > 0 {
		facts = append(facts, "trace", w.config.Trace,
			"replay_messages", w.trace.Messages(), "replay_seconds", int(w.trace.Duration().Seconds()))
	}
	w.log.Info("producing", facts...)
}

// left is how many events are still to be dispatched.
func (w *Worker) left() int {
	if w.config.Total == 0 {
		return math.MaxInt
	}
	return w.config.Total - w.position
}

// dispatch starts one send after the other, at most CONCURRENCY at a time.
func (w *Worker) dispatch(ctx context.Context) error {
	sending, cancel := shutdown.Outlast(ctx, config.Drain)
	defer cancel()
	// What failed for good stops the sends to come, not those that have begun.
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
		// After that, so that what it waits for is not due long since.
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

// take makes the next n messages.
func (w *Worker) take(n int) []outgoing {
	batch := make([]outgoing, n)
	for i := range batch {
		m := w.source.At(w.position)
		// A duplicate is the message before it, its time included.
		if !m.Duplicate {
			w.ts = time.Now().UTC()
		}
		batch[i] = outgoing{Message: m, position: w.position, ts: w.ts, body: m.Body(w.ts)}
		w.position++
	}
	return batch
}

// sleep waits; the error is that of ctx, if that ended.
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
