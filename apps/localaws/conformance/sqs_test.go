package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (c *check) send(queue *string, bodies ...string) {
	c.Helper()
	for _, body := range bodies {
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body})
		c.ok(err)
	}
}

// receive polls for up to wait seconds.
func (c *check) receive(queue *string, wait int32) []types.Message {
	c.Helper()
	out, err := c.sqs.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{
		QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	c.ok(err)
	return out.Messages
}

// one waits for exactly one message.
func (c *check) one(queue *string) types.Message {
	c.Helper()
	var messages []types.Message
	for deadline := time.Now().Add(10 * time.Second); len(messages) == 0 && time.Now().Before(deadline); {
		messages = c.receive(queue, 1)
	}
	if len(messages) != 1 {
		c.Fatalf("received %d messages, want 1", len(messages))
	}
	return messages[0]
}

// later waits for exactly one message, which must not come before the given time after
// began. AWS is not exact to the second.
func (c *check) later(queue *string, began time.Time, hidden time.Duration) types.Message {
	c.Helper()
	m := c.one(queue)
	if took := time.Since(began); took < hidden*3/4 {
		c.Errorf("the message came after %s, want %s", took, hidden)
	}
	return m
}

// soon is much shorter than the longest poll, and longer than a call takes on a slow
// machine.
const soon = 15 * time.Second

func (c *check) none(queue *string, wait int32) {
	c.Helper()
	if messages := c.receive(queue, wait); len(messages) > 0 {
		c.Errorf("received %d messages, want none", len(messages))
	}
}

func (c *check) attributes(queue *string) map[string]string {
	c.Helper()
	out, err := c.sqs.GetQueueAttributes(c.ctx, &sqs.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"All"}})
	c.ok(err)
	return out.Attributes
}

// counts are visible, in flight and delayed.
func (c *check) counts(queue *string, want string) {
	c.Helper()
	c.eventually(want, func() string {
		a := c.attributes(queue)
		return a["ApproximateNumberOfMessages"] + " " + a["ApproximateNumberOfMessagesNotVisible"] + " " + a["ApproximateNumberOfMessagesDelayed"]
	})
}

func (c *check) hide(queue *string, m types.Message, seconds int32) error {
	_, err := c.sqs.ChangeMessageVisibility(c.ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

func (c *check) delete(queue, handle *string) error {
	_, err := c.sqs.DeleteMessage(c.ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: handle})
	return err
}

func (c *check) set(queue *string, attributes map[string]string) error {
	_, err := c.sqs.SetQueueAttributes(c.ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: attributes})
	return err
}

func (c *check) purge(queue *string) error {
	_, err := c.sqs.PurgeQueue(c.ctx, &sqs.PurgeQueueInput{QueueUrl: queue})
	return err
}

func (c *check) sendBatch(queue *string, entries ...types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	return c.sqs.SendMessageBatch(c.ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries})
}

func entry(id, body string) types.SendMessageBatchRequestEntry {
	return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

var sqsCases = []conformanceCase{
	{"CreateQueue", "a new queue has the documented defaults", func(c *check) {
		a := c.attributes(c.queue(nil))
		for name, want := range map[string]string{
			"DelaySeconds": "0", "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "MaximumMessageSize": "1048576",
			"ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true",
		} {
			equal(c, name, a[name], want)
		}
	}},
	{"CreateQueue", "a repeated creation returns the URL; another value of an attribute is refused", func(c *check) {
		q := c.queue(map[string]string{"DelaySeconds": "2"})
		name := aws.String((*q)[strings.LastIndex(*q, "/")+1:])
		out, err := c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: name, Attributes: map[string]string{"DelaySeconds": "2"}})
		c.ok(err)
		equal(c, "URL", *out.QueueUrl, *q)
		_, err = c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: name, Attributes: map[string]string{"DelaySeconds": "3"}})
		c.code(err, "QueueAlreadyExists", "QueueNameExists")
	}},
	{"CreateQueue", "a name has 1 to 80 letters, digits, hyphens and underscores", func(c *check) {
		for _, name := range []string{"a b", "a.b", strings.Repeat("x", 81)} {
			_, err := c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: &name})
			c.code(err, "InvalidParameterValue")
		}
	}},
	{"GetQueueUrl", "returns the URL of a name; a queue that does not exist is an error", func(c *check) {
		q := c.queue(nil)
		out, err := c.sqs.GetQueueUrl(c.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String((*q)[strings.LastIndex(*q, "/")+1:])})
		c.ok(err)
		equal(c, "URL", *out.QueueUrl, *q)
		_, err = c.sqs.GetQueueUrl(c.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(newName())})
		c.code(err, "QueueDoesNotExist", "NonExistentQueue")
	}},
	{"GetQueueUrl", "its error has the code of the query protocol, which SDKs report", func(c *check) {
		_, err := c.sqs.GetQueueUrl(c.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(newName())})
		equal(c, "code", codeOf(err), queryPrefix+"NonExistentQueue")
	}},
	{"ListQueues", "lists by prefix, in pages of MaxResults", func(c *check) {
		prefix, want := newName(), 3
		for i := range want {
			out, err := c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprint(prefix, i))})
			c.ok(err)
			defer func() { _, _ = c.sqs.DeleteQueue(c.ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}) }()
		}
		c.eventually("2 1", func() string {
			var sizes []string
			pages := sqs.NewListQueuesPaginator(c.sqs, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
			for pages.HasMorePages() && len(sizes) < 5 {
				page, err := pages.NextPage(c.ctx)
				c.ok(err)
				sizes = append(sizes, fmt.Sprint(len(page.QueueUrls)))
			}
			return strings.Join(sizes, " ")
		})
	}},
	{"SetQueueAttributes", "GetQueueAttributes returns the new values", func(c *check) {
		q := c.queue(nil)
		c.ok(c.set(q, map[string]string{"VisibilityTimeout": "77", "DelaySeconds": "5"}))
		c.eventually("77 5", func() string { a := c.attributes(q); return a["VisibilityTimeout"] + " " + a["DelaySeconds"] })
	}},
	{"SetQueueAttributes", "refuses a value out of bounds, and then sets no attribute", func(c *check) {
		q := c.queue(nil)
		c.code(c.set(q, map[string]string{"VisibilityTimeout": "43201", "DelaySeconds": "5"}), "InvalidAttributeValue")
		c.code(c.set(q, map[string]string{"Nonsense": "1"}), "InvalidAttributeName")
		equal(c, "DelaySeconds", c.attributes(q)["DelaySeconds"], "0")
	}},
	{"GetQueueAttributes", "counts visible, in flight and delayed messages", func(c *check) {
		q := c.queue(nil)
		c.send(q, "a")
		c.one(q)
		c.send(q, "b")
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("c"), DelaySeconds: 900})
		c.ok(err)
		c.counts(q, "1 1 1")
	}},
	{"SendMessage", "a body is delivered unchanged, with its MD5", func(c *check) {
		q := c.queue(nil)
		body := "tab\tnewline\nreturn\r \ud7ff \ue000 \ufffd \U00010000 \" \\ </x>&"
		c.send(q, body)
		equal(c, "body", *c.one(q).Body, body) // the SDK checks the MD5
	}},
	{"SendMessage", "refuses characters that XML does not allow", func(c *check) {
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: c.queue(nil), MessageBody: aws.String("a\x1f")})
		c.code(err, "InvalidMessageContents")
	}},
	{"SendMessage", "refuses an empty body, and one of more than 1 MiB", func(c *check) {
		q := c.queue(nil)
		for _, body := range []string{"", strings.Repeat("x", 1<<20+1)} {
			_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: &body})
			c.code(err, "InvalidParameterValue", "MissingParameter")
		}
		c.send(q, strings.Repeat("x", 1<<20))
	}},
	{"SendMessage", "attributes of every type are delivered, with their MD5", func(c *check) {
		q := c.queue(nil)
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{
			"event_type": text("sale_event"), "n": {DataType: aws.String("Number.int"), StringValue: aws.String("-1.5e3")},
			"raw": {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 1, 255}},
		}})
		c.ok(err)
		m := c.one(q)
		equal(c, "attributes", len(m.MessageAttributes), 3)
		equal(c, "event_type", aws.ToString(m.MessageAttributes["event_type"].StringValue), "sale_event")
		equal(c, "type of n", aws.ToString(m.MessageAttributes["n"].DataType), "Number.int")
		equal(c, "raw", string(m.MessageAttributes["raw"].BinaryValue), "\x00\x01\xff")
		equal(c, "an MD5 of attributes", aws.ToString(m.MD5OfMessageAttributes) != "", true)
	}},
	{"SendMessage", "refuses attribute names, types and values that break the rules", func(c *check) {
		q := c.queue(nil)
		for name, value := range map[string]types.MessageAttributeValue{
			"AWS.x": text("v"), "x..y": text("v"), "type": {DataType: aws.String("Text"), StringValue: aws.String("v")}, "empty": text(""),
			"number": {DataType: aws.String("Number"), StringValue: aws.String("one")},
		} {
			_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{name: value}})
			c.code(err, "InvalidParameterValue")
		}
	}},
	{"SendMessage", "the delay of a message overrides the queue's", func(c *check) {
		q, began := c.queue(map[string]string{"DelaySeconds": "900"}), time.Now()
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m"), DelaySeconds: 4})
		c.ok(err)
		c.later(q, began, 4*time.Second)
	}},
	{"SendMessageBatch", "entries fail one by one, and the call succeeds", func(c *check) {
		q := c.queue(nil)
		out, err := c.sendBatch(q, entry("good", "m"), entry("bad", "a\x1f"))
		c.ok(err)
		equal(c, "successful", len(out.Successful), 1)
		if len(out.Failed) != 1 || *out.Failed[0].Id != "bad" || *out.Failed[0].Code != "InvalidMessageContents" || !out.Failed[0].SenderFault {
			c.Errorf("failed: %+v", out.Failed)
		}
		c.one(q)
	}},
	{"SendMessageBatch", "requires one to ten entries with distinct, valid IDs", func(c *check) {
		q := c.queue(nil)
		_, err := c.sendBatch(q, entry("a", "m"), entry("a", "m"))
		c.code(err, "BatchEntryIdsNotDistinct")
		_, err = c.sendBatch(q, entry("a b", "m"))
		c.code(err, "InvalidBatchEntryId")
		_, err = c.sendBatch(q, []types.SendMessageBatchRequestEntry{}...)
		c.code(err, "EmptyBatchRequest")
		eleven := make([]types.SendMessageBatchRequestEntry, 11)
		for i := range eleven {
			eleven[i] = entry(fmt.Sprint(i), "m")
		}
		_, err = c.sendBatch(q, eleven...)
		c.code(err, "TooManyEntriesInBatchRequest")
	}},
	{"SendMessageBatch", "refuses entries of more than 1 MiB in total", func(c *check) {
		half := strings.Repeat("x", 1<<19)
		_, err := c.sendBatch(c.queue(nil), entry("a", half), entry("b", half+"x"))
		c.code(err, "BatchRequestTooLong")
	}},
	{"ReceiveMessage", "a message is in flight for its visibility timeout, and then visible again", func(c *check) {
		q := c.queue(map[string]string{"VisibilityTimeout": "4"})
		c.send(q, "m")
		began := time.Now()
		first := c.one(q)
		second := c.later(q, began, 4*time.Second)
		equal(c, "receive count", second.Attributes["ApproximateReceiveCount"], "2")
		equal(c, "the same handle", *first.ReceiptHandle == *second.ReceiptHandle, false)
	}},
	{"ReceiveMessage", "refuses more than 10 messages, a wait above 20 s, and a timeout above 12 h", func(c *check) {
		q := c.queue(nil)
		for _, in := range []sqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201}} {
			in.QueueUrl = q
			_, err := c.sqs.ReceiveMessage(c.ctx, &in)
			c.code(err, "InvalidParameterValue")
		}
	}},
	{"ReceiveMessage", "a long poll answers as soon as a message arrives", func(c *check) {
		q := c.queue(nil)
		sent := make(chan error, 1)
		time.AfterFunc(time.Second, func() {
			_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m")})
			sent <- err
		})
		started := time.Now()
		out, err := c.sqs.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: q, WaitTimeSeconds: 20})
		c.ok(err)
		c.ok(<-sent)
		equal(c, "messages", len(out.Messages), 1)
		if took := time.Since(started); took > soon {
			c.Errorf("it took %s", took)
		}
	}},
	{"ReceiveMessage", "a long poll answers as soon as a message in flight is visible again", func(c *check) {
		q := c.queue(map[string]string{"VisibilityTimeout": "2"})
		c.send(q, "m")
		c.one(q)
		out, err := c.sqs.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: q, WaitTimeSeconds: 10})
		c.ok(err)
		equal(c, "messages", len(out.Messages), 1)
	}},
	{"ReceiveMessage", "a long poll ends without a message after its wait", func(c *check) {
		q := c.queue(nil)
		started := time.Now()
		c.none(q, 2)
		if took := time.Since(started); took < 1500*time.Millisecond || took > soon {
			c.Errorf("it took %s", took)
		}
	}},
	{"ReceiveMessage", "returns the message attributes that are named, exactly or by prefix.*", func(c *check) {
		q := c.queue(map[string]string{"VisibilityTimeout": "0"})
		_, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{
			"foo.a": text("v"), "foo.b": text("v"), "bar": text("v"),
		}})
		c.ok(err)
		for names, want := range map[string]int{"": 0, "All": 3, "foo.*": 2, "bar": 1} {
			out, err := c.sqs.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: q, MessageAttributeNames: strings.Fields(names), WaitTimeSeconds: 5})
			c.ok(err)
			if len(out.Messages) != 1 {
				c.Fatalf("received %d messages", len(out.Messages))
			}
			equal(c, "attributes for "+names, len(out.Messages[0].MessageAttributes), want)
		}
	}},
	{"ReceiveMessage", "returns the system attributes: sender, times, receive count", func(c *check) {
		q := c.queue(nil)
		c.send(q, "m")
		a := c.one(q).Attributes
		for _, name := range []string{"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"} {
			equal(c, name+" is given", a[name] != "", true)
		}
	}},
	{"ChangeMessageVisibility", "0 makes a message visible at once", func(c *check) {
		q := c.queue(nil)
		c.send(q, "m")
		c.ok(c.hide(q, c.one(q), 0))
		c.one(q)
	}},
	{"ChangeMessageVisibility", "a longer timeout keeps a message in flight", func(c *check) {
		q := c.queue(map[string]string{"VisibilityTimeout": "3"})
		c.send(q, "m")
		for began := time.Now(); ; began = time.Now() {
			err := c.hide(q, c.one(q), 60)
			if time.Since(began) > 3*time.Second && strings.HasSuffix(codeOf(err), "MessageNotInflight") {
				continue // it was back before a slow machine came to that
			}
			c.ok(err)
			break
		}
		c.none(q, 4)
	}},
	{"ChangeMessageVisibility", "refuses a message that is not in flight", func(c *check) {
		q := c.queue(nil)
		c.send(q, "m")
		m := c.one(q)
		c.ok(c.hide(q, m, 0))
		c.code(c.hide(q, m, 10), "MessageNotInflight")
	}},
	{"ChangeMessageVisibilityBatch", "entries fail one by one", func(c *check) {
		q := c.queue(nil)
		c.send(q, "m")
		handle := c.one(q).ReceiptHandle
		out, err := c.sqs.ChangeMessageVisibilityBatch(c.ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: handle}, {Id: aws.String("bad"), ReceiptHandle: aws.String("x")},
		}})
		c.ok(err)
		equal(c, "successful", len(out.Successful), 1)
		if len(out.Failed) != 1 || *out.Failed[0].Id != "bad" || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			c.Errorf("failed: %+v", out.Failed)
		}
		c.one(q)
	}},
	{"DeleteMessage", "deletes a message; a repeated deletion succeeds", func(c *check) {
		q := c.queue(map[string]string{"VisibilityTimeout": "1"})
		c.send(q, "m")
		handle := c.one(q).ReceiptHandle
		c.ok(c.delete(q, handle))
		c.ok(c.delete(q, handle))
		c.none(q, 2)
	}},
	{"DeleteMessage", "refuses text that is not a receipt handle", func(c *check) {
		c.code(c.delete(c.queue(nil), aws.String("x")), "ReceiptHandleIsInvalid")
	}},
	{"DeleteMessageBatch", "entries fail one by one", func(c *check) {
		q := c.queue(nil)
		c.send(q, "m")
		handle := c.one(q).ReceiptHandle
		out, err := c.sqs.DeleteMessageBatch(c.ctx, &sqs.DeleteMessageBatchInput{QueueUrl: q, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: handle}, {Id: aws.String("bad"), ReceiptHandle: aws.String("x")},
		}})
		c.ok(err)
		if len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			c.Errorf("%d successful, failed: %+v", len(out.Successful), out.Failed)
		}
		c.counts(q, "0 0 0")
	}},
	{"RedrivePolicy", "after maxReceiveCount receives, a message moves to the dead-letter queue", func(c *check) {
		dead := c.queue(nil)
		arn := c.attributes(dead)["QueueArn"]
		q := c.queue(map[string]string{"VisibilityTimeout": "1", "RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":2}`})
		c.send(q, "m")
		c.one(q)
		c.one(q)
		c.none(q, 2)
		m := c.one(dead)
		equal(c, "body", *m.Body, "m")
		equal(c, "source", m.Attributes["DeadLetterQueueSourceArn"], c.attributes(q)["QueueArn"])
	}},
	{"RedrivePolicy", "refuses a dead-letter queue that does not exist", func(c *check) {
		q := c.queue(nil)
		arn := c.attributes(q)["QueueArn"] + "-none"
		c.code(c.set(q, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":2}`}), "InvalidParameterValue")
	}},
	{"PurgeQueue", "removes all messages; a second call within a minute is refused", func(c *check) {
		q := c.queue(nil)
		c.send(q, "a", "b")
		c.ok(c.purge(q))
		c.counts(q, "0 0 0")
		c.code(c.purge(q), "PurgeQueueInProgress")
	}},
	{"DeleteQueue", "deletes the queue", func(c *check) {
		q := c.queue(nil)
		_, err := c.sqs.DeleteQueue(c.ctx, &sqs.DeleteQueueInput{QueueUrl: q})
		c.ok(err)
		c.eventually("gone", func() string {
			if _, err := c.sqs.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: aws.String("m")}); err != nil {
				c.code(err, "QueueDoesNotExist", "NonExistentQueue")
				return "gone"
			}
			return "there"
		})
	}},
	{"TagQueue", "tags are added, replaced, listed and removed", func(c *check) {
		q := c.queue(nil)
		for _, tags := range []map[string]string{{"a": "1", "b": "2"}, {"b": "3"}} {
			_, err := c.sqs.TagQueue(c.ctx, &sqs.TagQueueInput{QueueUrl: q, Tags: tags})
			c.ok(err)
		}
		_, err := c.sqs.UntagQueue(c.ctx, &sqs.UntagQueueInput{QueueUrl: q, TagKeys: []string{"a"}})
		c.ok(err)
		c.eventually("map[b:3]", func() string {
			out, err := c.sqs.ListQueueTags(c.ctx, &sqs.ListQueueTagsInput{QueueUrl: q})
			c.ok(err)
			return fmt.Sprint(out.Tags)
		})
	}},
}
