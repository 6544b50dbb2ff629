package sqs

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

const (
	testRegion  = "eu-west-1"
	testAccount = "000000000000"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a service with the queues q and dlq, a stopped clock and the SDK's client
// without retries.
type bench struct {
	*testing.T
	clock  *clock.Fake
	faults *fault.Faults
	sqs    *sqs.Client
	base   string
}

func newBench(t *testing.T, q Queue) *bench {
	t.Helper()
	b := &bench{T: t, clock: clock.NewFake(start), faults: &fault.Faults{}}
	q.Name = "q"
	listener := httptest.NewServer(newService(b.clock, b.faults, q, Queue{Name: "dlq"}))
	t.Cleanup(listener.Close)
	b.base = listener.URL
	b.sqs = sqs.NewFromConfig(aws.Config{
		Region: testRegion, BaseEndpoint: &listener.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	return b
}

func newService(c clock.Clock, faults *fault.Faults, queues ...Queue) *Service {
	return New(Options{Region: testRegion, AccountID: testAccount, Queues: queues, Clock: c, Faults: faults})
}

func (b *bench) url(queue string) *string {
	return aws.String(b.base + "/" + testAccount + "/" + queue)
}

func (b *bench) advance(seconds int) { b.clock.Advance(time.Duration(seconds) * time.Second) }

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) send(body string) {
	b.Helper()
	_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: &body})
	b.ok(err)
}

func (b *bench) receive(queue string) []types.Message {
	b.Helper()
	out, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: b.url(queue), MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	b.ok(err)
	return out.Messages
}

// one receives exactly one message.
func (b *bench) one(queue string) types.Message {
	b.Helper()
	messages := b.receive(queue)
	if len(messages) != 1 {
		b.Fatalf("%s: received %d messages, want 1", queue, len(messages))
	}
	return messages[0]
}

func (b *bench) none(queue string) {
	b.Helper()
	if messages := b.receive(queue); len(messages) > 0 {
		b.Errorf("%s: received %d messages, want none", queue, len(messages))
	}
}

func (b *bench) delete(handle *string) error {
	_, err := b.sqs.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: b.url("q"), ReceiptHandle: handle})
	return err
}

func (b *bench) hide(handle *string, seconds int32) error {
	_, err := b.sqs.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: b.url("q"), ReceiptHandle: handle, VisibilityTimeout: seconds})
	return err
}

func (b *bench) attributes(queue string, names ...types.QueueAttributeName) map[string]string {
	b.Helper()
	out, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: b.url(queue), AttributeNames: names})
	b.ok(err)
	return out.Attributes
}

func (b *bench) set(attributes map[string]string) error {
	_, err := b.sqs.SetQueueAttributes(b.Context(), &sqs.SetQueueAttributesInput{QueueUrl: b.url("q"), Attributes: attributes})
	return err
}

func (b *bench) create(name string, attributes map[string]string) error {
	_, err := b.sqs.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	return err
}

// counts checks the visible, in-flight and delayed messages that KEDA reads.
func (b *bench) counts(queue, want string) {
	b.Helper()
	a := b.attributes(queue, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
	got := a["ApproximateNumberOfMessages"] + " " + a["ApproximateNumberOfMessagesNotVisible"] + " " + a["ApproximateNumberOfMessagesDelayed"]
	if got != want {
		b.Errorf("%s: visible, in flight, delayed: %s, want %s", queue, got, want)
	}
}

func (b *bench) sendBatch(entries ...types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	return b.sqs.SendMessageBatch(b.Context(), &sqs.SendMessageBatchInput{QueueUrl: b.url("q"), Entries: entries})
}

func batchEntry(id, body string) types.SendMessageBatchRequestEntry {
	return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

// documented is a test case for a statement of AWS's documentation. A page that begins
// with API_ is one of the API Reference, any other one of the Developer Guide:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/<page>.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/<page>.html
type documented struct {
	page, says string
	queue      Queue
	run        func(b *bench)
}

func runDocumented(t *testing.T, cases []documented) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.page+": "+test.says, func(t *testing.T) {
			t.Parallel()
			test.run(newBench(t, test.queue))
		})
	}
}
