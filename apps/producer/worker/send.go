package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
)

const (
	// sendAttempts is how often a message is sent at most. If the queue answers at once,
	// that takes two minutes. After that the process exits, and the pod's restarts show
	// that something is wrong.
	sendAttempts           = 30
	firstRetry, retryLimit = 100 * time.Millisecond, 5 * time.Second
)

// outgoing is one message to send.
type outgoing struct {
	events.Message
	position int
	ts       time.Time
	body     string
}

// send sends a batch, and retries whatever failed for a temporary reason: the call, or
// some of its entries.
func (w *Worker) send(ctx context.Context, batch []outgoing) error {
	// Concurrent calls retry at different times. These are drawn from the seed, so that a
	// run can be repeated.
	jitter := rand.New(rand.NewPCG(uint64(w.config.Seed), uint64(batch[0].position)))
	wait := firstRetry
	for attempt := 1; ; attempt++ {
		again, err := w.sendOnce(ctx, batch)
		if err != nil && ctx.Err() != nil {
			//nolint:errorlint // a cancelled context is its cause, and not what went wrong
			return fmt.Errorf("asked to end, and after %s SQS has not acknowledged what was on its way: %v", config.Drain, err)
		}
		if len(again) == 0 || attempt == sendAttempts {
			return err
		}
		w.log.Warn("send failed, trying again", "messages", len(again), "attempt", attempt, "error", err)
		_ = sleep(ctx, wait/2+time.Duration(jitter.Int64N(int64(wait/2))))
		wait = min(2*wait, retryLimit)
		batch = again
	}
}

// sendOnce sends a batch once. It returns the messages that are worth a retry, with the
// reasons; an error without messages is final. Entries are named by their position,
// because two may have the same request_id.
func (w *Worker) sendOnce(ctx context.Context, batch []outgoing) (again []outgoing, err error) {
	entries := make([]types.SendMessageBatchRequestEntry, len(batch))
	for i, m := range batch {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(m.body), MessageAttributes: m.attributes(),
		}
	}
	out, err := w.queue.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &w.queueURL, Entries: entries}, once)
	if err != nil {
		err = fmt.Errorf("send to %s: %w", w.config.Queue, err)
		if mayPass(err) {
			return batch, err
		}
		return nil, err
	}
	for _, ok := range out.Successful {
		i, err := position(ok.Id, len(batch))
		if err != nil {
			return nil, err
		}
		w.acknowledge(ctx, batch[i])
	}
	if n := len(out.Successful) + len(out.Failed); n != len(batch) {
		return nil, fmt.Errorf("send to %s: SQS answered for %d of %d messages", w.config.Queue, n, len(batch))
	}
	return w.failed(batch, out.Failed)
}

// once disables the SDK's retries, because send retries: the SDK counts the failures of
// all calls and, after too many, fails calls without a retry.
func once(o *sqs.Options) { o.RetryMaxAttempts = 1 }

// mayPass reports whether a failed call may succeed later without a change. If AWS did
// not answer it always may: the connection broke, or the name is unknown for now.
func mayPass(err error) bool {
	var answer smithy.APIError
	return !errors.As(err, &answer) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// failed returns the messages of failed entries, with the reasons.
func (w *Worker) failed(batch []outgoing, entries []types.BatchResultErrorEntry) (again []outgoing, err error) {
	var reasons []error
	for _, f := range entries {
		i, err := position(f.Id, len(batch))
		if err != nil {
			return nil, err
		}
		reason := fmt.Errorf("send %s to %s: %s: %s",
			batch[i].RequestID, w.config.Queue, aws.ToString(f.Code), aws.ToString(f.Message))
		if f.SenderFault {
			return nil, reason
		}
		again, reasons = append(again, batch[i]), append(reasons, reason)
	}
	return again, errors.Join(reasons...)
}

func position(id *string, n int) (int, error) {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= n {
		return 0, fmt.Errorf("SQS answered for an entry %q that was not sent", aws.ToString(id))
	}
	return i, nil
}

// acknowledge logs a message that SQS has accepted, with what its object must contain.
// The demo reads these lines to judge a run.
func (w *Worker) acknowledge(ctx context.Context, m outgoing) {
	w.acknowledged.Add(1)
	w.counters[kind{m.EventType, m.Bad, m.Duplicate}].Inc()
	if !w.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	sum := sha256.Sum256([]byte(m.body))
	w.log.Info("event produced", "request_id", m.RequestID, "event_type", m.EventType, "bad", m.Bad, "duplicate", m.Duplicate,
		"ts", m.ts, "sha256", hex.EncodeToString(sum[:]))
}

func (m outgoing) attributes() map[string]types.MessageAttributeValue {
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(s)}
	}
	return map[string]types.MessageAttributeValue{
		event.TypeAttribute:     text(m.EventType),
		event.PriorityAttribute: text(strconv.FormatBool(m.Priority)),
	}
}
