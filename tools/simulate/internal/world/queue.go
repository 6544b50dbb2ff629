package world

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// client calls the local AWS in process. A call is a function call instead of a request
// through the AWS SDK and a network, but it waits as long as one.
type client struct {
	world *world
	// dice are the random numbers of one program; calls numbers its draws.
	dice  parts.Dice
	calls atomic.Int64
	// loads means that it is the producer of the load.
	loads bool
	// node is the node of a consumer.
	node *node
}

func (w *world) newClient(name string) *client {
	return &client{world: w, dice: parts.Dice(float64(1<<62) * w.dice.Share("client "+name))}
}

// wait sleeps for the duration of a call.
func (c *client) wait(d parts.Distribution) {
	time.Sleep(d.At(c.dice.Share(strconv.FormatInt(c.calls.Add(1), 10))))
}

func queueURL(name string) string { return "http://queue/" + account + "/" + name }

// SendMessageBatch implements the producer's interface Queue.
func (c *client) SendMessageBatch(
	ctx context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options),
) (*awssqs.SendMessageBatchOutput, error) {
	c.wait(c.world.scenario.Parts.Send)
	messages, bodies := make([]sqs.Outgoing, len(in.Entries)), make([]string, len(in.Entries))
	for i, e := range in.Entries {
		bodies[i] = aws.ToString(e.MessageBody)
		messages[i] = sqs.Outgoing{Body: bodies[i], Attributes: make(map[string]sqs.Attribute, len(e.MessageAttributes))}
		for name, a := range e.MessageAttributes {
			messages[i].Attributes[name] = sqs.Attribute{
				DataType: aws.ToString(a.DataType), StringValue: a.StringValue, BinaryValue: a.BinaryValue,
			}
		}
	}
	if c.loads {
		c.world.tally.onSent(bodies)
	}
	c.world.requests.Add(1)
	refused, err := c.world.queue.Send(ctx, messages)
	if err != nil {
		return nil, err
	}
	if len(refused) > 0 {
		return nil, refused[0].Err // no fault of this simulation causes one
	}
	out := &awssqs.SendMessageBatchOutput{Successful: make([]types.SendMessageBatchResultEntry, len(in.Entries))}
	for i, e := range in.Entries {
		out.Successful[i].Id = e.Id
	}
	return out, nil
}

// Receive implements worker.Queue.
func (c *client) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
	c.world.requests.Add(1)
	found, err := c.world.queue.Receive(ctx, limit, wait, visibility)
	if err != nil {
		return nil, err
	}
	// Messages on their way back are already hidden, as on a real network.
	c.wait(c.world.scenario.Parts.Receive)
	messages := make([]worker.Message, len(found))
	for i, m := range found {
		attributes := make(map[string]worker.Attribute, len(m.Attributes))
		for name, a := range m.Attributes {
			attributes[name] = worker.Attribute{Type: a.DataType, Text: aws.ToString(a.StringValue), Bytes: a.BinaryValue}
		}
		messages[i] = worker.Message{ID: m.ID, Handle: m.Handle, Body: m.Body, Attributes: attributes, Received: m.Received}
	}
	return messages, nil
}

// Delete implements worker.Queue.
func (c *client) Delete(ctx context.Context, messages []worker.Message) ([]worker.Failure, error) {
	c.wait(c.world.scenario.Parts.Receive)
	c.world.requests.Add(1)
	refused, err := c.world.queue.Delete(ctx, handles(messages))
	if err == nil && len(refused) == 0 {
		c.world.tally.onDeleted(messages)
	}
	return failures(refused), err
}

// Hide implements worker.Queue.
func (c *client) Hide(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
	c.wait(c.world.scenario.Parts.Receive)
	c.world.requests.Add(1)
	refused, err := c.world.queue.Hide(ctx, handles(messages), times)
	return failures(refused), err
}

func handles(messages []worker.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.Handle
	}
	return all
}

func failures(refused []sqs.Refused) []worker.Failure {
	var all []worker.Failure
	for _, r := range refused {
		all = append(all, worker.Failure{Index: r.Index, Final: r.Sender, Err: r.Err})
	}
	return all
}

// Quarantine implements worker.Queue.
func (c *client) Quarantine(ctx context.Context, m worker.Message, _ string) error {
	c.wait(c.world.scenario.Parts.Send)
	c.world.requests.Add(1)
	refused, err := c.world.dead.Send(ctx, []sqs.Outgoing{{Body: m.Body}})
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		return refused[0].Err
	}
	c.world.tally.onQuarantined(m.Body)
	return nil
}

// Put implements worker.Store. The bucket is the set of its keys.
func (c *client) Put(ctx context.Context, key, body string) (taken bool, err error) {
	takes := c.world.scenario.Parts.Store
	if service := c.world.scenario.Consumer.Service; service != nil {
		takes = *service
	}
	timer := time.NewTimer(c.world.fleet.compute(c.node) + takes.At(c.world.dice.Share(key)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
	}
	c.world.puts.Add(1)
	return c.world.tally.onStored(body), nil
}

// exact returns a context whose calls have no faults.
func exact(ctx context.Context) context.Context { return fault.NewContext(ctx, &fault.Faults{}) }
