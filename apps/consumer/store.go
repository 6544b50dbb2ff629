package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

const (
	// attempts is how often a call is tried before its message is put off.
	attempts = 5
	// firstPause doubles from try to try.
	firstPause = 100 * time.Millisecond
	// maxAttributes and maxSize, in bytes with the attributes, are the limits of
	// SQS for a message.
	maxAttributes, maxSize = 10, 1 << 20
	// maxReason keeps a reason readable that repeats what the message says.
	maxReason = 500
)

// handle stores a message, or quarantines one that can never be stored. After
// an error the message must stay in the queue.
func (c *consumer) handle(ctx context.Context, m types.Message) error {
	begun, cancel := outlast(ctx, c.finish)
	defer cancel()
	body := aws.ToString(m.Body)
	eventType := aws.ToString(m.MessageAttributes[event.TypeAttribute].StringValue)
	e, err := event.Parse(body, eventType)
	if err != nil {
		return c.quarantine(ctx, begun, m, err)
	}
	key, result := e.Key(c.config.Prefix, eventType), ""
	if err := c.retry(ctx, "store "+key, func() (err error) {
		result, err = c.store(begun, key, body)
		return err
	}); err != nil {
		return err
	}
	c.metrics.stored.WithLabelValues(result).Inc()
	if result == resultNew {
		c.metrics.latency.Observe(time.Since(e.TS).Seconds())
	}
	c.log.Info("event stored", "request_id", e.RequestID, "key", key, "result", result)
	return nil
}

// How a store ended, in logs and metrics.
const (
	resultNew       = "new"
	resultDuplicate = "duplicate"
)

// store writes the object unless it is there: the first write wins, and a
// redelivery or a duplicate finds its work done. A conflict with a write at the
// same time is an error that the next try settles.
func (c *consumer) store(ctx context.Context, key, body string) (result string, err error) {
	_, err = c.bucket.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &c.config.Bucket, Key: &key, Body: strings.NewReader(body),
		ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
	}, onceBucket)
	var response *awshttp.ResponseError
	switch {
	case err == nil:
		return resultNew, nil
	case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusPreconditionFailed:
		return resultDuplicate, nil
	default:
		return "", fmt.Errorf("store %s in %s: %w", key, c.config.Bucket, err)
	}
}

// quarantine sends a message to the dead-letter queue as it came, with the
// reason beside it.
func (c *consumer) quarantine(ctx, begun context.Context, m types.Message, cause error) error {
	reason := cause.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "..."
	}
	attributes := withReason(m, reason)
	if err := c.retry(ctx, "quarantine "+aws.ToString(m.MessageId), func() error {
		_, err := c.queues.SendMessage(begun, &sqs.SendMessageInput{QueueUrl: &c.dead, MessageBody: m.Body, MessageAttributes: attributes}, onceQueue)
		return err
	}); err != nil {
		return fmt.Errorf("quarantine %s in %s: %w", aws.ToString(m.MessageId), c.config.DeadLetterQueue, err)
	}
	c.metrics.quarantined.Inc()
	c.log.Warn("message quarantined", "message_id", aws.ToString(m.MessageId), "reason", reason)
	return nil
}

// withReason is the message's attributes and the reason, which gives way where
// SQS leaves no room: the original is worth more, and the log has the reason.
func withReason(m types.Message, reason string) map[string]types.MessageAttributeValue {
	attributes := maps.Clone(m.MessageAttributes)
	if attributes == nil {
		attributes = map[string]types.MessageAttributeValue{}
	}
	// One that was redriven has the reason of last time.
	attributes[event.ReasonAttribute] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(reason)}
	if len(attributes) > maxAttributes || size(m.Body, attributes) > maxSize {
		delete(attributes, event.ReasonAttribute)
	}
	return attributes
}

// size is what SQS counts: the body, and the name, type and value of each
// attribute.
func size(body *string, attributes map[string]types.MessageAttributeValue) int {
	n := len(aws.ToString(body))
	for name, a := range attributes {
		n += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
	}
	return n
}

// retry tries until it works, or is not worth another try: after attempts
// failures, or when ctx has ended, because the queue keeps the message and the
// grace period is short.
func (c *consumer) retry(ctx context.Context, what string, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt == attempts || ctx.Err() != nil {
			return err
		}
		c.metrics.retried.Inc()
		c.log.Warn("failed, trying again", "what", what, "attempt", attempt, "error", err)
		sleep(ctx, firstPause<<(attempt-1))
	}
}
