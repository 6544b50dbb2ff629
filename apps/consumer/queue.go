package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
)

// maxPutOff bounds how long a message that failed stays hidden.
const maxPutOff = 15 * time.Minute

// visibilityOf reads the visibility timeout of a queue.
func visibilityOf(ctx context.Context, queues *sqs.Client, url string) (time.Duration, error) {
	const name = types.QueueAttributeNameVisibilityTimeout
	out, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return 0, fmt.Errorf("read the visibility timeout of %s: %w", url, err)
	}
	seconds, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("read the visibility timeout of %s: %w", url, err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// heartbeat keeps a batch hidden while it is worked on, in case that takes
// longer than the visibility timeout. The function that it returns ends it, a
// call that is on its way included; it may be called twice.
func (c *consumer) heartbeat(work context.Context, messages []types.Message) (stop func()) {
	every := config.Heartbeat(c.visibility)
	if every == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(work)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.beat(ctx, every, messages)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// beat tries once and gives up when the next one is due.
func (c *consumer) beat(ctx context.Context, every time.Duration, messages []types.Message) {
	ctx, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	c.changeVisibility(ctx, messages, func(types.Message) time.Duration { return c.visibility }, onceQueue)
}

// handBack makes messages visible to another consumer, at once or after wait.
// It counts as a receive, which is why maxReceiveCount leaves room.
func (c *consumer) handBack(work context.Context, messages []types.Message, wait time.Duration) {
	if len(messages) == 0 {
		return
	}
	c.changeVisibility(work, messages, func(types.Message) time.Duration { return wait })
	c.log.Info("messages handed back", "count", len(messages))
}

// putOff hides messages that failed, each time for longer: an outage of the
// bucket must not use up maxReceiveCount and dead-letter good events.
func (c *consumer) putOff(work context.Context, messages []types.Message) {
	if len(messages) == 0 {
		return
	}
	c.metrics.retried.Add(float64(len(messages)))
	c.changeVisibility(work, messages, func(m types.Message) time.Duration {
		received, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		if err != nil {
			received = 1
		}
		return putOffFor(c.visibility, received)
	})
}

// putOffFor doubles with each receive, from the queue's visibility timeout.
func putOffFor(visibility time.Duration, received int) time.Duration {
	wait := max(visibility, time.Second)
	limit := max(wait, maxPutOff)
	for range received - 1 {
		if wait *= 2; wait >= limit {
			return limit
		}
	}
	return wait
}

func (c *consumer) changeVisibility(ctx context.Context, messages []types.Message, visibility func(types.Message) time.Duration, options ...func(*sqs.Options)) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(visibility(m).Seconds()),
		}
	}
	out, err := c.queues.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &c.source, Entries: entries}, options...)
	// A failure costs time, not a message: the timeout hands it back.
	if err != nil {
		c.log.Warn("change of visibility failed", "error", err)
		return
	}
	for _, f := range out.Failed {
		c.log.Warn("change of visibility failed", "code", aws.ToString(f.Code), "message", aws.ToString(f.Message))
	}
}

// delete deletes what is stored or quarantined. What cannot be deleted comes
// back and is found stored, or is quarantined twice.
func (c *consumer) delete(ctx, work context.Context, messages []types.Message) {
	if len(messages) == 0 {
		return
	}
	if err := c.retry(ctx, "delete", func() (err error) {
		messages, err = c.deleteOnce(work, messages)
		return err
	}); err != nil {
		c.log.Error("messages left undeleted, they will come back", "count", len(messages), "error", err)
	}
}

// deleteOnce returns those that are worth another try, with the reasons.
// Entries are named by their position: after a redelivery two messages of a
// batch may have one id.
func (c *consumer) deleteOnce(work context.Context, messages []types.Message) (again []types.Message, err error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
	}
	out, err := c.queues.DeleteMessageBatch(work, &sqs.DeleteMessageBatchInput{QueueUrl: &c.source, Entries: entries}, onceQueue)
	if err != nil {
		return messages, fmt.Errorf("delete from %s: %w", c.config.Queue, err)
	}
	c.metrics.deleted.Add(float64(len(out.Successful)))
	var errs []error
	for _, f := range out.Failed {
		reason := fmt.Errorf("delete from %s: %s: %s", c.config.Queue, aws.ToString(f.Code), aws.ToString(f.Message))
		i, err := strconv.Atoi(aws.ToString(f.Id))
		if err != nil || i < 0 || i >= len(messages) || f.SenderFault {
			c.log.Error("message cannot be deleted", "error", reason)
			continue
		}
		again, errs = append(again, messages[i]), append(errs, reason)
	}
	return again, errors.Join(errs...)
}
