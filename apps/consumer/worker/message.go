package worker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

const (
	// attempts is the number of tries of a call before its message is put off.
	attempts = 5
	// firstPause is the pause after the first try; it doubles with each further one.
	firstPause = 100 * time.Millisecond
	// maxReason keeps a reason readable if it quotes the message.
	maxReason = 500
)

// The results for a message, in logs and metrics.
const (
	resultNew         = "new"
	resultDuplicate   = "duplicate"
	resultQuarantined = "quarantined"
)

// handle stores a message, or quarantines one that can never be stored. After an error
// the message must stay in the queue. It retries until the end of until, and uses begun
// for the calls themselves.
func (w *Worker) handle(until, begun context.Context, m Message) (result string, err error) {
	eventType := m.Attributes[event.TypeAttribute].Text
	e, err := event.Parse(m.Body, eventType)
	if err != nil {
		return resultQuarantined, w.quarantine(until, begun, m, err)
	}
	key := e.Key(w.config.Prefix, eventType)
	if err := w.retry(until, "store "+key, func() (err error) {
		result, err = w.put(begun, key, m.Body)
		return err
	}); err != nil {
		return "", err
	}
	w.counters.stored[result].Inc()
	if result == resultNew {
		// The producer's clock may be ahead.
		w.counters.latency.Update(max(0, time.Since(e.TS).Seconds()))
	}
	// Checked first, because there are thousands of messages a second.
	if w.log.Enabled(begun, slog.LevelDebug) {
		w.log.Debug("event stored", "request_id", e.RequestID, "key", key, "result", result)
	}
	return result, nil
}

// put writes the object unless it exists: the first write wins, and a redelivery or a
// duplicate finds its work done.
func (w *Worker) put(ctx context.Context, key, body string) (result string, err error) {
	taken, err := w.store.Put(ctx, key, body)
	switch {
	case err != nil:
		return "", fmt.Errorf("store %s in %s: %w", key, w.config.Bucket, err)
	case taken:
		return resultDuplicate, nil
	default:
		return resultNew, nil
	}
}

// quarantine sends a message unchanged to the dead-letter queue, with the reason as an
// attribute.
func (w *Worker) quarantine(until, begun context.Context, m Message, cause error) error {
	reason := cause.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "..."
	}
	if err := w.retry(until, "quarantine "+m.ID, func() error { return w.queue.Quarantine(begun, m, reason) }); err != nil {
		return fmt.Errorf("quarantine %s in %s: %w", m.ID, w.config.DeadLetterQueue, err)
	}
	w.counters.quarantined.Inc()
	w.log.Warn("message quarantined", "message_id", m.ID, "reason", reason)
	return nil
}

// retry repeats try until it succeeds or should stop: after attempts failures, or when
// ctx has ended, because the queue keeps the message and the grace period is short.
func (w *Worker) retry(ctx context.Context, what string, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt == attempts || ctx.Err() != nil {
			return err
		}
		w.counters.retried.Inc()
		w.log.Warn("failed, trying again", "what", what, "attempt", attempt, "error", err)
		sleep(ctx, firstPause<<(attempt-1))
	}
}
