package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// client calls the local AWS in process: a function call where programs in a cluster have
// the AWS SDK and a network, for which it waits as long as they would.
type client struct {
	world *world
	// dice are those of one program, calls number what it draws.
	dice  parts.Dice
	calls atomic.Int64
	// loads: it is the producer of the load.
	loads bool
}

func (w *world) newClient(name string) *client {
	return &client{world: w, dice: parts.Dice(float64(1<<62) * w.dice.Share("client "+name))}
}

// wait is the call's time on the way.
func (c *client) wait(d parts.Distribution) {
	time.Sleep(d.At(c.dice.Share(strconv.FormatInt(c.calls.Add(1), 10))))
}

// answer is where the server writes to.
type answer struct {
	header http.Header
	status int
	bytes.Buffer
}

// Header is http.ResponseWriter's.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is http.ResponseWriter's.
func (a *answer) WriteHeader(status int) { a.status = status }

// call does one action of SQS.
func (w *world) call(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://queue/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Amz-Target", sqs.TargetPrefix+action)
	w.requests.Add(1)
	a := &answer{header: http.Header{}, status: http.StatusOK}
	w.service.ServeHTTP(a, request)
	if a.status != http.StatusOK {
		return fmt.Errorf("%s: %d: %s", action, a.status, a.Bytes())
	}
	if out == nil || a.Len() == 0 {
		return nil
	}
	return json.Unmarshal(a.Bytes(), out)
}

func queueURL(name string) string { return "http://queue/" + account + "/" + name }

// message is a new one.
type message struct {
	Id                string
	MessageBody       string
	MessageAttributes any
}

// SendMessageBatch is the producer's Queue.
func (c *client) SendMessageBatch(
	ctx context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options),
) (*awssqs.SendMessageBatchOutput, error) {
	c.wait(c.world.scenario.Parts.Send)
	// The SDK's own type would say a delay of 0.
	entries, bodies := make([]message, len(in.Entries)), make([]string, len(in.Entries))
	for i, e := range in.Entries {
		bodies[i] = aws.ToString(e.MessageBody)
		entries[i] = message{aws.ToString(e.Id), aws.ToString(e.MessageBody), e.MessageAttributes}
	}
	out := &awssqs.SendMessageBatchOutput{}
	if c.loads {
		c.world.tally.onSent(bodies)
	}
	err := c.world.call(ctx, "SendMessageBatch", map[string]any{"QueueUrl": *in.QueueUrl, "Entries": entries}, out)
	return out, err
}

// Receive is worker.Queue's.
func (c *client) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
	var out awssqs.ReceiveMessageOutput
	if err := c.world.call(ctx, "ReceiveMessage", map[string]any{
		"QueueUrl": c.world.url, "MaxNumberOfMessages": limit, "WaitTimeSeconds": int(wait.Seconds()),
		"VisibilityTimeout":     int(visibility.Seconds()),
		"MessageAttributeNames": []string{"All"}, "MessageSystemAttributeNames": []string{"ApproximateReceiveCount"},
	}, &out); err != nil {
		return nil, err
	}
	// What is on its way back is hidden already, as on a real way.
	c.wait(c.world.scenario.Parts.Receive)
	messages := make([]worker.Message, len(out.Messages))
	for i, m := range out.Messages {
		attributes := make(map[string]worker.Attribute, len(m.MessageAttributes))
		for name, a := range m.MessageAttributes {
			attributes[name] = worker.Attribute{Type: aws.ToString(a.DataType), Text: aws.ToString(a.StringValue), Bytes: a.BinaryValue}
		}
		received, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
		if err != nil {
			return nil, fmt.Errorf("a message without ApproximateReceiveCount: %w", err)
		}
		messages[i] = worker.Message{
			ID: aws.ToString(m.MessageId), Handle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Attributes: attributes, Received: received,
		}
	}
	return messages, nil
}

// entry is one of a batch of messages that were received.
type entry struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int `json:",omitempty"`
}

// Delete is worker.Queue's.
func (c *client) Delete(ctx context.Context, messages []worker.Message) ([]worker.Failure, error) {
	c.wait(c.world.scenario.Parts.Receive)
	entries := make([]entry, len(messages))
	for i, m := range messages {
		entries[i] = entry{Id: strconv.Itoa(i), ReceiptHandle: m.Handle}
	}
	failures, err := c.batch(ctx, "DeleteMessageBatch", entries)
	if err == nil && len(failures) == 0 {
		c.world.tally.onDeleted(messages)
	}
	return failures, err
}

// Hide is worker.Queue's.
func (c *client) Hide(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
	c.wait(c.world.scenario.Parts.Receive)
	entries := make([]entry, len(messages))
	for i, m := range messages {
		seconds := int(times[i].Seconds())
		entries[i] = entry{strconv.Itoa(i), m.Handle, &seconds}
	}
	return c.batch(ctx, "ChangeMessageVisibilityBatch", entries)
}

func (c *client) batch(ctx context.Context, action string, entries []entry) ([]worker.Failure, error) {
	var out struct {
		Failed []struct {
			Id, Code, Message string
			SenderFault       bool
		}
	}
	if err := c.world.call(ctx, action, map[string]any{"QueueUrl": c.world.url, "Entries": entries}, &out); err != nil {
		return nil, err
	}
	var failures []worker.Failure
	for _, f := range out.Failed {
		i, err := strconv.Atoi(f.Id)
		if err != nil {
			return nil, fmt.Errorf("%s answers for an entry %q", action, f.Id)
		}
		failures = append(failures, worker.Failure{Index: i, Final: f.SenderFault, Err: errors.New(f.Code + ": " + f.Message)})
	}
	return failures, nil
}

// Quarantine is worker.Queue's.
func (c *client) Quarantine(ctx context.Context, m worker.Message, _ string) error {
	c.wait(c.world.scenario.Parts.Send)
	err := c.world.call(ctx, "SendMessage", map[string]any{"QueueUrl": c.world.deadURL, "MessageBody": m.Body}, nil)
	if err == nil {
		c.world.tally.onQuarantined(m.Body)
	}
	return err
}

// Put is worker.Store's: the bucket is the set of its keys.
func (c *client) Put(ctx context.Context, key, body string) (taken bool, err error) {
	takes := c.world.scenario.Parts.Store
	if service := c.world.scenario.Consumer.Service; service != nil {
		takes = *service
	}
	timer := time.NewTimer(takes.At(c.world.dice.Share(key)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
	}
	c.world.puts.Add(1)
	return c.world.tally.onStored(body), nil
}

// depth is the messages of the queue, as its server knows them.
type depth struct{ visible, inFlight, delayed int }

// depth asks the server: what is approximate is so for who asks without exact.
func (w *world) depth(ctx context.Context) (d depth, err error) {
	const name = "ApproximateNumberOfMessages"
	var out struct{ Attributes map[string]string }
	if err := w.call(ctx, "GetQueueAttributes", map[string]any{
		"QueueUrl": w.url, "AttributeNames": []string{name, name + "NotVisible", name + "Delayed"},
	}, &out); err != nil {
		return d, err
	}
	for suffix, to := range map[string]*int{"": &d.visible, "NotVisible": &d.inFlight, "Delayed": &d.delayed} {
		if *to, err = strconv.Atoi(out.Attributes[name+suffix]); err != nil {
			return d, fmt.Errorf("the attribute %s%s of the queue: %w", name, suffix, err)
		}
	}
	return d, nil
}

// exact is a context whose calls suffer nothing.
func exact(ctx context.Context) context.Context { return fault.NewContext(ctx, &fault.Faults{}) }
