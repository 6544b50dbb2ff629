// Package backend implements the worker's queue and store on AWS: SQS and S3, through the
// SDK.
package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	clients "github.com/mystique-unicorn/sales-events/apps/internal/aws"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

// maxAttributes and maxSize are SQS's limits for a message. The size is in bytes and
// includes the attributes.
const maxAttributes, maxSize = 10, 1 << 20

// Connect finds what the settings name: the queues, which may not exist yet, the source
// queue's visibility timeout, and the bucket, which it does not check.
func Connect(ctx context.Context, c config.Config, awsConfig aws.Config) (Queue, Bucket, time.Duration, error) {
	queue := Queue{Client: sqs.NewFromConfig(awsConfig)}
	bucket := Bucket{Client: clients.S3(awsConfig, remember(c.Bucket)), Name: c.Bucket}
	var err error
	if queue.Source, err = clients.QueueURL(ctx, queue.Client, c.Queue); err != nil {
		return queue, bucket, 0, err
	}
	if queue.Dead, err = clients.QueueURL(ctx, queue.Client, c.DeadLetterQueue); err != nil {
		return queue, bucket, 0, err
	}
	visibility, err := queue.Visibility(ctx)
	return queue, bucket, visibility, err
}

// Queue is a worker's queue on SQS.
type Queue struct {
	Client *sqs.Client
	// Source and Dead are the URLs of the queue and of its dead-letter queue.
	Source, Dead string
}

// Visibility reads the visibility timeout of the queue.
func (q Queue) Visibility(ctx context.Context) (time.Duration, error) {
	const name = types.QueueAttributeNameVisibilityTimeout
	out, err := q.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.Source, AttributeNames: []types.QueueAttributeName{name},
	})
	if err != nil {
		return 0, fmt.Errorf("read the visibility timeout of %s: %w", q.Source, err)
	}
	seconds, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("read the visibility timeout of %s: %w", q.Source, err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// Receive implements worker.Queue.
func (q Queue) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
	out, err := q.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.Source,
		MaxNumberOfMessages:         int32(limit),
		WaitTimeSeconds:             int32(wait.Seconds()),
		VisibilityTimeout:           int32(visibility.Seconds()),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	}, once)
	if err != nil {
		return nil, err
	}
	messages := make([]worker.Message, len(out.Messages))
	for i, m := range out.Messages {
		messages[i] = received(m)
	}
	return messages, nil
}

func received(m types.Message) worker.Message {
	attributes := make(map[string]worker.Attribute, len(m.MessageAttributes))
	for name, a := range m.MessageAttributes {
		attributes[name] = worker.Attribute{Type: aws.ToString(a.DataType), Text: aws.ToString(a.StringValue), Bytes: a.BinaryValue}
	}
	times, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		times = 1
	}
	return worker.Message{
		ID: aws.ToString(m.MessageId), Handle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
		Attributes: attributes, Received: times,
	}
}

// Delete implements worker.Queue. Entries are named by their position: after a
// redelivery two messages of a batch may have one id.
func (q Queue) Delete(ctx context.Context, messages []worker.Message) ([]worker.Failure, error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Handle}
	}
	out, err := q.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.Source, Entries: entries}, once)
	if err != nil {
		return nil, err
	}
	return failures(out.Failed, len(messages))
}

// Hide implements worker.Queue.
func (q Queue) Hide(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Handle, VisibilityTimeout: int32(times[i].Seconds()),
		}
	}
	out, err := q.Client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.Source, Entries: entries})
	if err != nil {
		return nil, err
	}
	return failures(out.Failed, len(messages))
}

// failures returns the failed entries of a batch.
func failures(failed []types.BatchResultErrorEntry, entries int) ([]worker.Failure, error) {
	var all []worker.Failure
	for _, f := range failed {
		reason := fmt.Errorf("%s: %s", aws.ToString(f.Code), aws.ToString(f.Message))
		i, err := strconv.Atoi(aws.ToString(f.Id))
		if err != nil || i < 0 || i >= entries {
			return nil, fmt.Errorf("SQS answers for an entry %q that it was not sent: %w", aws.ToString(f.Id), reason)
		}
		all = append(all, worker.Failure{Index: i, Final: f.SenderFault, Err: reason})
	}
	return all, nil
}

// Quarantine implements worker.Queue.
func (q Queue) Quarantine(ctx context.Context, m worker.Message, reason string) error {
	_, err := q.Client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.Dead, MessageBody: &m.Body, MessageAttributes: withReason(m, reason),
	}, once)
	return err
}

// withReason adds the reason to the message's attributes. It drops the reason if SQS's
// limits leave no room: the message matters more, and the log has the reason.
func withReason(m worker.Message, reason string) map[string]types.MessageAttributeValue {
	all := maps.Clone(m.Attributes)
	if all == nil {
		all = map[string]worker.Attribute{}
	}
	// A redriven message still has its earlier reason.
	all[event.ReasonAttribute] = worker.Attribute{Type: "String", Text: reason}
	if len(all) > maxAttributes || size(m.Body, all) > maxSize {
		delete(all, event.ReasonAttribute)
	}
	values := make(map[string]types.MessageAttributeValue, len(all))
	for name, a := range all {
		value := types.MessageAttributeValue{DataType: &a.Type}
		if strings.HasPrefix(a.Type, "Binary") {
			value.BinaryValue = a.Bytes
		} else {
			value.StringValue = &a.Text
		}
		values[name] = value
	}
	return values
}

// size returns a message's size as SQS counts it, in bytes: the body, and the name, type
// and value of each attribute.
func size(body string, attributes map[string]worker.Attribute) int {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(a.Type) + len(a.Text) + len(a.Bytes)
	}
	return n
}

// Bucket is a worker's store on S3.
type Bucket struct {
	Client *s3.Client
	Name   string
}

// Put implements worker.Store. A conflict with a concurrent write is an error; a retry
// resolves it.
func (b Bucket) Put(ctx context.Context, key, body string) (taken bool, err error) {
	_, err = b.Client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.Name, Key: &key, Body: strings.NewReader(body),
		ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
	}, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusPreconditionFailed {
		return true, nil
	}
	return false, err
}

// once disables the SDK's retries: the worker retries itself, and checks before each
// retry whether it was asked to end.
func once(o *sqs.Options) { o.Retryer = aws.NopRetryer{} }
