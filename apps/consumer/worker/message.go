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
	// attempts is how often a call is tried before its message is put off.
	attempts = 5
	// firstPause doubles from try to try.
	firstPause = 100 * time.Millisecond
	// maxReason keeps a reason readable that repeats what the message says.
	maxReason = 500
)

// How the work on a message ended, in logs and metrics.
const (
	resultNew         = "new"
	resultDuplicate   = "duplicate"
	resultQuarantined = "quarantined"
)

// handle stores a message, or quarantines one that can never be stored. After
// an error the message must stay in the queue. It tries again until the end of
// until, and calls with begun.
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
		// The clock of its producer may be ahead.
		w.counters.latency.Update(max(0, time.Since(e.TS).Seconds()))
	}
	// Asked first: there are thousands a second.
	if w.log.Enabled(begun, slog.LevelDebug) {
		w.log.Debug("event stored", "request_id", e.RequestID, "key", key, "result", result)
	}
	return result, nil
}

// put writes the object unless it is there: the first write wins, and a
// redelivery or a duplicate finds its work done.
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

// quarantine sends a message to the dead-letter queue as it came, with the
// reason beside it.
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

// retry tries until it works, or is not worth another try: after attempts
// failures, or when ctx has ended, because the queue keeps the message and the
// grace period is short.
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
