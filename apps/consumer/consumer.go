package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
)

const (
	// receiveRetry and receiveRetryMax bound the wait after a receive that
	// failed: unlike an empty one, it says nothing of the backlog.
	receiveRetry, receiveRetryMax = time.Second, 30 * time.Second
)

type consumer struct {
	config       config.Config
	queues       *sqs.Client
	bucket       *s3.Client
	source, dead string
	visibility   time.Duration
	longPoll     int32
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
		visibility: time.Duration(visibility) * time.Second, longPoll: int32(config.LongPoll.Seconds()), log: log, metrics: newMetrics(registry),
	}, nil
}

// consume works until the total is reached or ctx ends. When asked to end it
// lets its poll end, since cancelling one can strand a message that was just
// assigned to it, and works off or hands back what it holds.
func (c *consumer) consume(ctx context.Context) {
	// Calls outlive the request to end; each has a time limit of its own.
	work := context.WithoutCancel(ctx)
	empty := backoff{first: c.config.Backoff, max: c.config.BackoffMax}
	failed := backoff{first: receiveRetry, max: receiveRetryMax}
	for ctx.Err() == nil && (c.config.Total == 0 || c.processed < c.config.Total) {
		messages, err := c.receive(work)
		if err != nil {
			c.log.Warn("receive failed", "error", err)
			sleep(ctx, failed.next())
			continue
		}
		failed.reset()
		if len(messages) == 0 {
			sleep(ctx, empty.next())
			continue
		}
		empty.reset()
		if ctx.Err() != nil {
			// A fleet that is asked to end polls on together: handed back at
			// once, the message would go from one to the next, each a receive,
			// until the queue dead-letters it. By then their polls are over.
			c.handBack(work, messages, time.Duration(c.longPoll)*time.Second)
			break
		}
		c.process(ctx, work, messages)
	}
	c.log.Info("ending", "processed", c.processed, "asked", ctx.Err() != nil)
}

func (c *consumer) receive(work context.Context) ([]types.Message, error) {
	limit := c.config.BatchSize
	if c.config.Total > 0 {
		limit = min(limit, c.config.Total-c.processed)
	}
	out, err := c.queues.ReceiveMessage(work, &sqs.ReceiveMessageInput{
		QueueUrl:                    &c.source,
		MaxNumberOfMessages:         int32(limit),
		WaitTimeSeconds:             c.longPoll,
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	}, onceQueue)
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", c.config.Queue, err)
	}
	c.metrics.received.Add(float64(len(out.Messages)))
	return out.Messages, nil
}

// process works a batch off: each message is stored or quarantined, and only
// then deleted. What is not started when ctx ends is handed back, what failed
// is put off.
func (c *consumer) process(ctx, work context.Context, messages []types.Message) {
	c.metrics.inFlight.Add(float64(len(messages)))
	defer c.metrics.inFlight.Sub(float64(len(messages)))
	stop := c.heartbeat(work, messages)
	defer stop()

	var done, failed, rest []types.Message
	sleep(ctx, c.config.ProcessDelay)
	for i, m := range messages {
		if ctx.Err() != nil {
			rest = messages[i:]
			break
		}
		if err := c.handle(ctx, work, m); err != nil {
			c.log.Error("handle failed, the message is put off", "message_id", aws.ToString(m.MessageId), "error", err)
			failed = append(failed, m)
			continue
		}
		done = append(done, m)
	}
	// It would put off again what is handed back.
	stop()
	c.delete(work, done)
	c.putOff(work, failed)
	c.handBack(work, rest, 0)
	c.processed += len(done)
}

// backoff doubles from first while it is at most max, then starts over.
type backoff struct{ first, max, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last *= 2
	if b.last == 0 || b.last > b.max {
		b.last = b.first
	}
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// sleep waits, or less when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// onceQueue and onceBucket leave trying again to this program, which looks at
// the request to end between two tries.
func onceQueue(o *sqs.Options) { o.RetryMaxAttempts = 1 }
func onceBucket(o *s3.Options) { o.RetryMaxAttempts = 1 }
