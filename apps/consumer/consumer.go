package main

import (
	"context"
	"fmt"
	"log/slog"
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

// backend is what the consumer works with on AWS: clients, the URLs of its
// queues, and the visibility timeout that the source had at the start.
type backend struct {
	queues       *sqs.Client
	bucket       *s3.Client
	source, dead string
	visibility   time.Duration
}

type consumer struct {
	backend
	config config.Config
	// These are config's own, but for tests.
	longPoll      int32
	finish, drain time.Duration
	log           *slog.Logger
	metrics       *metrics
	processed     int
}

func newConsumer(c config.Config, b backend, log *slog.Logger, registry *prometheus.Registry) *consumer {
	return &consumer{
		backend: b, config: c, longPoll: int32(config.LongPoll.Seconds()), finish: config.Finish, drain: config.Drain,
		log: log, metrics: newMetrics(registry),
	}
}

// consume works until the total is reached or ctx ends. When asked to end it
// lets its poll end, since cancelling one can strand a message that was just
// assigned to it, finishes the message that it is storing and hands the rest
// back. It returns after c.drain at the latest, whatever AWS answers.
func (c *consumer) consume(ctx context.Context) {
	work, cancel := outlast(ctx, c.drain)
	defer cancel()
	empty := backoff{first: c.config.Backoff, max: c.config.BackoffMax}
	failed := backoff{first: receiveRetry, max: receiveRetryMax}
	for ctx.Err() == nil && (c.config.Total == 0 || c.processed < c.config.Total) {
		messages, err := c.receive(ctx)
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

// receive asks for the visibility timeout that the heartbeat goes by: the
// queue's own may have changed since.
func (c *consumer) receive(ctx context.Context) ([]types.Message, error) {
	begun, cancel := outlast(ctx, c.finish)
	defer cancel()
	limit := c.config.BatchSize
	if c.config.Total > 0 {
		limit = min(limit, c.config.Total-c.processed)
	}
	out, err := c.queues.ReceiveMessage(begun, &sqs.ReceiveMessageInput{
		QueueUrl:                    &c.source,
		MaxNumberOfMessages:         int32(limit),
		WaitTimeSeconds:             c.longPoll,
		VisibilityTimeout:           int32(c.visibility.Seconds()),
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
// is put off; work is for these calls, which may come after the end of ctx.
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
		if err := c.handle(ctx, m); err != nil {
			c.log.Error("handle failed, the message is put off", "message_id", aws.ToString(m.MessageId), "error", err)
			failed = append(failed, m)
			continue
		}
		done = append(done, m)
	}
	// It would put off again what is handed back.
	stop()
	// First, since others wait for these; the rest of the time may be short.
	c.handBack(work, rest, 0)
	c.delete(ctx, work, done)
	c.putOff(work, failed)
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

// outlast is a context that ends d after ctx does.
func outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// onceQueue and onceBucket leave trying again to this program, which looks at
// the request to end between two tries.
func onceQueue(o *sqs.Options) { o.RetryMaxAttempts = 1 }
func onceBucket(o *s3.Options) { o.RetryMaxAttempts = 1 }
