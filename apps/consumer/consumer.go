package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

// longPoll is the longest that SQS allows, in seconds.
const longPoll = 20

// storeAttempts is how often a store is tried before the message goes back to
// the queue; the SDK's own retries come on top.
const storeAttempts = 4

type consumer struct {
	config       config.Config
	queues       *sqs.Client
	bucket       *s3.Client
	source, dead string
	visibility   time.Duration
	log          *slog.Logger
	metrics      *metrics
	processed    int
}

func newConsumer(ctx context.Context, c config.Config, queues *sqs.Client, bucket *s3.Client, source, dead string, log *slog.Logger, registry *prometheus.Registry) (*consumer, error) {
	out, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &source, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout},
	})
	if err != nil {
		return nil, fmt.Errorf("read the visibility timeout of %s: %w", c.Queue, err)
	}
	visibility, err := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameVisibilityTimeout)])
	if err != nil {
		return nil, fmt.Errorf("read the visibility timeout of %s: %w", c.Queue, err)
	}
	return &consumer{
		config: c, queues: queues, bucket: bucket, source: source, dead: dead,
		visibility: time.Duration(visibility) * time.Second, log: log, metrics: newMetrics(registry),
	}, nil
}

// consume works until the total is reached or ctx ends. When asked to end it
// lets its poll end, since cancelling one can strand a message that was just
// assigned to it, and works off or hands back what it holds.
func (c *consumer) consume(ctx context.Context) error {
	// Calls outlive the request to end; the long poll bounds them.
	work := context.WithoutCancel(ctx)
	backoff := c.config.Backoff
	for ctx.Err() == nil && (c.config.Total == 0 || c.processed < c.config.Total) {
		messages, err := c.receive(work)
		if err != nil {
			c.log.Warn("receive failed", "error", err)
		}
		if len(messages) == 0 {
			sleep(ctx, backoff)
			if backoff *= 2; backoff > c.config.BackoffMax {
				backoff = c.config.Backoff
			}
			continue
		}
		backoff = c.config.Backoff
		c.process(ctx, work, messages)
	}
	c.log.Info("ending", "processed", c.processed, "asked", ctx.Err() != nil)
	return nil
}

func (c *consumer) receive(work context.Context) ([]types.Message, error) {
	limit := c.config.BatchSize
	if c.config.Total > 0 {
		limit = min(limit, c.config.Total-c.processed)
	}
	out, err := c.queues.ReceiveMessage(work, &sqs.ReceiveMessageInput{
		QueueUrl:              &c.source,
		MaxNumberOfMessages:   int32(limit),
		WaitTimeSeconds:       longPoll,
		MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", c.config.Queue, err)
	}
	c.metrics.received.Add(float64(len(out.Messages)))
	return out.Messages, nil
}

// process works a batch off: each message is stored or quarantined, and only
// then deleted. What is not started when ctx ends, and what failed, goes back.
func (c *consumer) process(ctx, work context.Context, messages []types.Message) {
	c.metrics.inFlight.Add(float64(len(messages)))
	defer c.metrics.inFlight.Sub(float64(len(messages)))
	stop := c.heartbeat(work, messages)
	defer stop()

	var done, back []types.Message
	sleep(ctx, c.config.ProcessDelay)
	for i, m := range messages {
		if ctx.Err() != nil {
			back = append(back, messages[i:]...)
			break
		}
		if err := c.handle(work, m); err != nil {
			c.log.Error("handle failed, the message goes back", "message_id", aws.ToString(m.MessageId), "error", err)
			c.metrics.retried.Inc()
			back = append(back, m)
			continue
		}
		done = append(done, m)
	}
	stop()
	c.delete(work, done)
	c.handBack(work, back)
	c.processed += len(done)
}

// handle stores a message, or quarantines one that can never be stored.
func (c *consumer) handle(work context.Context, m types.Message) error {
	body := aws.ToString(m.Body)
	eventType := aws.ToString(m.MessageAttributes[event.TypeAttribute].StringValue)
	e, err := event.Parse(body, eventType)
	if err != nil {
		return c.quarantine(work, m, err)
	}
	key := e.Key(c.config.Prefix, eventType)
	for attempt := 1; ; attempt++ {
		result, err := c.store(work, key, body)
		if err == nil {
			c.metrics.stored.WithLabelValues(result).Inc()
			c.metrics.latency.Observe(time.Since(e.TS).Seconds())
			c.log.Info("event stored", "request_id", e.RequestID, "key", key, "result", result)
			return nil
		}
		if attempt == storeAttempts {
			return err
		}
		c.metrics.retried.Inc()
		c.log.Warn("store failed, trying again", "key", key, "attempt", attempt, "error", err)
		time.Sleep(time.Duration(attempt*attempt) * 100 * time.Millisecond)
	}
}

// store writes the object unless it is there: the first write wins, and a
// redelivery or a duplicate finds its work done.
func (c *consumer) store(work context.Context, key, body string) (result string, err error) {
	_, err = c.bucket.PutObject(work, &s3.PutObjectInput{
		Bucket: &c.config.Bucket, Key: &key, Body: strings.NewReader(body),
		ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
	})
	var response *awshttp.ResponseError
	switch {
	case err == nil:
		return "new", nil
	case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusPreconditionFailed:
		return "duplicate", nil
	default:
		return "", fmt.Errorf("store %s in %s: %w", key, c.config.Bucket, err)
	}
}

// quarantine sends a message to the dead-letter queue as it came, with the
// reason beside it.
func (c *consumer) quarantine(work context.Context, m types.Message, reason error) error {
	attributes := map[string]types.MessageAttributeValue{
		event.ReasonAttribute: {DataType: aws.String("String"), StringValue: aws.String(reason.Error())},
	}
	for name, value := range m.MessageAttributes {
		attributes[name] = value
	}
	_, err := c.queues.SendMessage(work, &sqs.SendMessageInput{QueueUrl: &c.dead, MessageBody: m.Body, MessageAttributes: attributes})
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", aws.ToString(m.MessageId), err)
	}
	c.metrics.quarantined.Inc()
	c.log.Warn("message quarantined", "message_id", aws.ToString(m.MessageId), "reason", reason.Error())
	return nil
}

// heartbeat keeps a batch hidden while it is worked on, in case that takes
// longer than the queue's visibility timeout. The function that it returns
// ends it and waits for its end; it may be called twice.
func (c *consumer) heartbeat(work context.Context, messages []types.Message) (stop func()) {
	ctx, cancel := context.WithCancel(work)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(max(c.visibility/3, time.Second))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.changeVisibility(work, messages, c.visibility)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// handBack makes messages visible at once, for another consumer. It counts as
// a receive, which is why maxReceiveCount leaves room.
func (c *consumer) handBack(work context.Context, messages []types.Message) {
	if len(messages) > 0 {
		c.changeVisibility(work, messages, 0)
		c.log.Info("messages handed back", "count", len(messages))
	}
}

func (c *consumer) changeVisibility(work context.Context, messages []types.Message, visibility time.Duration) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(visibility.Seconds()),
		}
	}
	out, err := c.queues.ChangeMessageVisibilityBatch(work, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &c.source, Entries: entries})
	// A failure costs time, not a message: the timeout hands it back.
	if err != nil {
		c.log.Warn("change of visibility failed", "error", err)
		return
	}
	for _, f := range out.Failed {
		c.log.Warn("change of visibility failed", "code", aws.ToString(f.Code), "message", aws.ToString(f.Message))
	}
}

// deleteAttempts bounds how often failed entries are deleted again. One that
// stays comes back and is found stored.
const deleteAttempts = 5

func (c *consumer) delete(work context.Context, messages []types.Message) {
	for attempt := 1; len(messages) > 0 && attempt <= deleteAttempts; attempt++ {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
		for i, m := range messages {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
		}
		out, err := c.queues.DeleteMessageBatch(work, &sqs.DeleteMessageBatchInput{QueueUrl: &c.source, Entries: entries})
		if err != nil {
			c.log.Warn("delete failed", "attempt", attempt, "error", err)
			time.Sleep(time.Duration(attempt) * 100 * time.Millisecond)
			continue
		}
		c.metrics.deleted.Add(float64(len(out.Successful)))
		var again []types.Message
		for _, f := range out.Failed {
			i, err := strconv.Atoi(aws.ToString(f.Id))
			if err != nil || i < 0 || i >= len(messages) || f.SenderFault {
				c.log.Error("message cannot be deleted", "code", aws.ToString(f.Code), "message", aws.ToString(f.Message))
				continue
			}
			again = append(again, messages[i])
		}
		messages = again
	}
	if len(messages) > 0 {
		c.log.Error("messages left undeleted, they will come back", "count", len(messages))
	}
}

// sleep waits, or less when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
