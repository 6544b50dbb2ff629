package sqs

import (
	"context"
	"strconv"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Direct calls actions from a program in the same process, without HTTP and JSON, which
// cost more than the actions themselves. Faults, permissions and limits are the same.
type Direct struct {
	service *Service
	url     string
}

// Direct returns a client for the queue at a URL.
func (s *Service) Direct(queueURL string) Direct { return Direct{s, queueURL} }

// Attribute is an attribute of a message.
type Attribute = messageAttribute

// Outgoing is a message to send.
type Outgoing struct {
	Body       string
	Attributes map[string]Attribute
}

// Incoming is a received message, with all its attributes.
type Incoming struct {
	ID, Handle, Body string
	Attributes       map[string]Attribute
	// Received is ApproximateReceiveCount.
	Received int
}

// Refused is a failed entry of a batch.
type Refused struct {
	// Index is the entry's position in the batch.
	Index int
	// Sender means that a retry would fail, too.
	Sender bool
	Err    error
}

// Counts are the numbers of messages in the answer of GetQueueAttributes.
type Counts struct{ Visible, InFlight, Delayed int }

// Send calls SendMessageBatch.
func (d Direct) Send(ctx context.Context, messages []Outgoing) ([]Refused, error) {
	entries := make([]entry, len(messages))
	for i, m := range messages {
		entries[i].newMessage = newMessage{MessageBody: m.Body, MessageAttributes: m.Attributes}
	}
	return d.batch(ctx, "SendMessageBatch", entries)
}

// Receive calls ReceiveMessage. It waits up to wait, in whole seconds.
func (d Direct) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]Incoming, error) {
	waitSeconds, hidden := int(wait.Seconds()), int(visibility.Seconds())
	out, err := d.do(ctx, "ReceiveMessage", &request{
		QueueUrl: d.url, MaxNumberOfMessages: &limit, WaitTimeSeconds: &waitSeconds, VisibilityTimeout: &hidden,
		MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	found := out.(received).Messages
	messages := make([]Incoming, len(found))
	for i, m := range found {
		messages[i] = Incoming{m.MessageId, m.ReceiptHandle, m.Body, m.MessageAttributes, m.receives}
	}
	return messages, nil
}

// Delete calls DeleteMessageBatch.
func (d Direct) Delete(ctx context.Context, handles []string) ([]Refused, error) {
	entries := make([]entry, len(handles))
	for i, handle := range handles {
		entries[i].ReceiptHandle = handle
	}
	return d.batch(ctx, "DeleteMessageBatch", entries)
}

// Hide calls ChangeMessageVisibilityBatch, with whole seconds.
func (d Direct) Hide(ctx context.Context, handles []string, times []time.Duration) ([]Refused, error) {
	entries := make([]entry, len(handles))
	for i, handle := range handles {
		seconds := int(times[i].Seconds())
		entries[i].ReceiptHandle, entries[i].VisibilityTimeout = handle, &seconds
	}
	return d.batch(ctx, "ChangeMessageVisibilityBatch", entries)
}

// Counts calls GetQueueAttributes.
func (d Direct) Counts(ctx context.Context) (Counts, error) {
	out, err := d.do(ctx, "GetQueueAttributes", &request{QueueUrl: d.url})
	if err != nil {
		return Counts{}, err
	}
	c := out.(queueAttributes).counts
	return Counts{c.visible, c.inFlight, c.delayed}, nil
}

func (d Direct) batch(ctx context.Context, action string, entries []entry) ([]Refused, error) {
	for i := range entries {
		entries[i].Id = strconv.Itoa(i)
	}
	out, err := d.do(ctx, action, &request{QueueUrl: d.url, Entries: entries})
	if err != nil {
		return nil, err
	}
	var refused []Refused
	for _, f := range out.(batchResult).Failed {
		i, err := strconv.Atoi(f.Id) // the id that this method wrote
		if err != nil {
			return nil, err
		}
		refused = append(refused, Refused{i, f.SenderFault, &protocol.Error{Code: f.Code, Message: f.Message}})
	}
	return refused, nil
}

func (d Direct) do(ctx context.Context, action string, in *request) (any, error) {
	out, err := d.service.do(ctx, action, "", func() (*request, *protocol.Error) { return in, nil })
	if err != nil {
		return nil, err
	}
	return out, nil
}
