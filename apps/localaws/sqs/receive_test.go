package sqs

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// The cases are AWS's documentation of delays, receives, visibility, deletes and redrive.
func TestReceiveSemantics(t *testing.T) {
	runDocumented(t, []documented{
		{"sqs-delay-queues", "a delayed message is counted and not received", Queue{DelaySeconds: aws.Int(2)}, func(b *bench) {
			b.send("m")
			b.counts("q", "0 0 1")
			b.none("q")
			b.advance(2)
			b.counts("q", "1 0 0")
			b.one("q")
		}},
		{"sqs-delay-queues", "a new delay does not reach messages that are in the queue", Queue{DelaySeconds: aws.Int(9)}, func(b *bench) {
			b.send("old")
			b.ok(b.set(map[string]string{"DelaySeconds": "0"}))
			b.send("new")
			b.counts("q", "1 0 1")
		}},
		{"sqs-message-timers", "a message's own delay wins over the queue's, 0 too", Queue{DelaySeconds: aws.Int(9)}, func(b *bench) {
			for _, delay := range []string{"0", "900"} {
				seconds, _ := strconv.Atoi(delay)
				b.raw("SendMessage", `{"QueueUrl":"`+*b.url("q")+`","MessageBody":"m","DelaySeconds":`+delay+`}`, 200)
				b.counts("q", map[int]string{0: "1 0 0", 900: "1 0 1"}[seconds])
			}
			b.advance(899)
			b.counts("q", "1 0 1")
			b.advance(1)
			b.counts("q", "2 0 0")
		}},
		{"sqs-visibility-timeout", "a received message is in flight, and comes back", Queue{}, func(b *bench) {
			b.send("m")
			b.one("q")
			b.counts("q", "0 1 0")
			b.none("q")
			b.advance(29)
			b.counts("q", "0 1 0")
			b.advance(1)
			b.counts("q", "1 0 0")
			b.one("q")
		}},
		{"API_ReceiveMessage", "VisibilityTimeout of the call wins over the queue's", Queue{VisibilityTimeout: aws.Int(5)}, func(b *bench) {
			b.send("m")
			_, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: b.url("q"), VisibilityTimeout: 60})
			b.ok(err)
			b.advance(59)
			b.counts("q", "0 1 0")
			b.advance(1)
			b.counts("q", "1 0 0")
		}},
		{"API_ReceiveMessage", "one message unless MaxNumberOfMessages says more", Queue{}, func(b *bench) {
			b.send("a")
			b.send("b")
			out, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: b.url("q")})
			b.ok(err)
			if len(out.Messages) != 1 {
				b.Errorf("received %d messages", len(out.Messages))
			}
			b.counts("q", "1 1 0")
		}},
		{"API_ReceiveMessage", "at most ten messages, a wait of at most 20 s, a timeout of at most 12 h", Queue{}, func(b *bench) {
			for _, in := range []sqs.ReceiveMessageInput{
				{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1}, {VisibilityTimeout: 43201}, {VisibilityTimeout: -1},
			} {
				in.QueueUrl = b.url("q")
				_, err := b.sqs.ReceiveMessage(b.Context(), &in)
				servicetest.Code(b, err, "InvalidParameterValue")
			}
		}},
		{"API_ReceiveMessage", "system attributes: sender, times, receive count", Queue{VisibilityTimeout: aws.Int(0)}, func(b *bench) {
			b.send("m")
			b.advance(3)
			b.one("q")
			b.advance(4)
			a := b.one("q").Attributes
			for name, want := range map[string]string{
				"SentTimestamp":                    millis(start),
				"ApproximateFirstReceiveTimestamp": millis(start.Add(seconds(3))),
				"ApproximateReceiveCount":          "2",
				"SenderId":                         senderID,
			} {
				if a[name] != want {
					b.Errorf("%s is %q, want %q", name, a[name], want)
				}
			}
			if len(a) != 4 {
				b.Errorf("attributes %v, want four", a)
			}
		}},
		{"API_ReceiveMessage", "only the system attributes that are asked for, and no unknown one", Queue{}, func(b *bench) {
			b.send("m")
			in := &sqs.ReceiveMessageInput{QueueUrl: b.url("q"), MessageSystemAttributeNames: []types.MessageSystemAttributeName{"Nonsense"}}
			_, err := b.sqs.ReceiveMessage(b.Context(), in)
			servicetest.Fails[*types.InvalidAttributeName](b, err)
			in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"SentTimestamp"}
			out, err := b.sqs.ReceiveMessage(b.Context(), in)
			b.ok(err)
			if a := out.Messages[0].Attributes; len(a) != 1 || a["SentTimestamp"] == "" {
				b.Errorf("attributes %v", a)
			}
		}},
		{"API_ReceiveMessage", "a message's receipt handle differs with each receive", Queue{VisibilityTimeout: aws.Int(0)}, func(b *bench) {
			b.send("m")
			first, second := b.one("q"), b.one("q")
			if *first.ReceiptHandle == *second.ReceiptHandle {
				b.Error("the same handle twice")
			}
		}},
		{"API_DeleteMessage", "a deleted message is gone, and deleting it again succeeds", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			b.ok(b.delete(handle))
			b.ok(b.delete(handle))
			b.advance(60)
			b.counts("q", "0 0 0")
		}},
		{"API_DeleteMessage", "a message is deleted while another consumer has it, or nobody", Queue{VisibilityTimeout: aws.Int(5)}, func(b *bench) {
			b.send("m")
			old := b.one("q").ReceiptHandle
			b.advance(5)
			b.one("q")
			// AWS: the call succeeds, but the message might not be deleted.
			b.ok(b.delete(old))
			b.counts("q", "0 0 0")

			b.send("m")
			handle := b.one("q").ReceiptHandle
			b.advance(5)
			b.counts("q", "1 0 0")
			b.ok(b.delete(handle))
			b.counts("q", "0 0 0")
		}},
		{"API_DeleteMessage", "a handle that is none, or another queue's, is refused", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			servicetest.Fails[*types.ReceiptHandleIsInvalid](b, b.delete(aws.String("x")))
			_, err := b.sqs.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: b.url("dlq"), ReceiptHandle: handle})
			servicetest.Fails[*types.ReceiptHandleIsInvalid](b, err)
			b.counts("q", "0 1 0")
		}},
		{"API_ChangeMessageVisibility", "the new timeout counts from the call, for this receive alone", Queue{VisibilityTimeout: aws.Int(60)}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			b.advance(15)
			b.ok(b.hide(handle, 10))
			b.advance(9)
			b.counts("q", "0 1 0")
			b.advance(1)
			b.counts("q", "1 0 0")
			b.one("q")
			b.advance(59)
			b.counts("q", "0 1 0")
		}},
		{"API_ChangeMessageVisibility", "zero hands the message back", Queue{}, func(b *bench) {
			b.send("m")
			b.ok(b.hide(b.one("q").ReceiptHandle, 0))
			b.counts("q", "1 0 0")
			b.one("q")
		}},
		{"API_ChangeMessageVisibility", "a message that is not in flight is refused", Queue{VisibilityTimeout: aws.Int(1)}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			b.advance(1)
			servicetest.Fails[*types.MessageNotInflight](b, b.hide(handle, 9))
			b.one("q")
			servicetest.Fails[*types.MessageNotInflight](b, b.hide(handle, 9))
			b.advance(1)
			b.counts("q", "1 0 0")
		}},
		{"API_ChangeMessageVisibility", "a deleted message, a bad handle and a bad timeout are refused", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			servicetest.Code(b, b.hide(handle, 43201), "InvalidParameterValue")
			servicetest.Code(b, b.hide(handle, -1), "InvalidParameterValue")
			servicetest.Fails[*types.ReceiptHandleIsInvalid](b, b.hide(aws.String("x"), 1))
			b.ok(b.delete(handle))
			servicetest.Code(b, b.hide(handle, 1), "InvalidParameterValue")
		}},
		{"sqs-visibility-timeout", "extending ends twelve hours after the receive", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			b.advance(20)
			servicetest.Code(b, b.hide(handle, 43200), "InvalidParameterValue")
			b.ok(b.hide(handle, 43180))
			b.advance(43179)
			b.counts("q", "0 1 0")
			b.advance(1)
			b.counts("q", "1 0 0")
		}},
		{"sqs-dead-letter-queues", "after maxReceiveCount receives it moves, as it is", Queue{VisibilityTimeout: aws.Int(1), Redrive: &Redrive{"dlq", 2}}, func(b *bench) {
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{"kind": text("sale")}})
			b.ok(err)
			for range 2 {
				b.one("q")
				b.advance(1)
			}
			b.counts("q", "1 0 0")
			b.none("q")
			b.counts("q", "0 0 0")
			m := b.one("dlq")
			if *m.Body != "m" || *m.MessageAttributes["kind"].StringValue != "sale" {
				b.Errorf("the message changed: %+v", m)
			}
			if source := m.Attributes["DeadLetterQueueSourceArn"]; source != "arn:aws:sqs:eu-west-1:000000000000:q" {
				b.Errorf("DeadLetterQueueSourceArn is %q", source)
			}
			if sent := m.Attributes["SentTimestamp"]; sent != millis(start) {
				b.Errorf("SentTimestamp is %s, want that of the first queue", sent)
			}
		}},
		{"sqs-dead-letter-queues", "the last receive may still delete", Queue{VisibilityTimeout: aws.Int(1), Redrive: &Redrive{"dlq", 1}}, func(b *bench) {
			b.send("m")
			b.ok(b.delete(b.one("q").ReceiptHandle))
			b.advance(1)
			b.none("q")
			b.none("dlq")
		}},
		{"sqs-dead-letter-queues", "handing back counts as a receive", Queue{Redrive: &Redrive{"dlq", 1}}, func(b *bench) {
			b.send("m")
			b.ok(b.hide(b.one("q").ReceiptHandle, 0))
			b.none("q")
			b.one("dlq")
		}},
		{"sqs-dead-letter-queues", "a dead-letter queue's own redrive counts its own receives", Queue{VisibilityTimeout: aws.Int(0), Redrive: &Redrive{"dlq", 3}}, func(b *bench) {
			b.ok(b.create("last", nil))
			_, err := b.sqs.SetQueueAttributes(b.Context(), &sqs.SetQueueAttributesInput{QueueUrl: b.url("dlq"), Attributes: map[string]string{
				"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:last","maxReceiveCount":"1"}`, "VisibilityTimeout": "0",
			}})
			b.ok(err)
			b.send("m")
			for range 3 {
				b.one("q")
			}
			b.none("q")
			b.one("dlq")
			b.none("dlq")
			b.one("last")
		}},
		{"setting-up-dead-letter-queue-retention", "the dead-letter queue's retention counts from when it was first sent", Queue{VisibilityTimeout: aws.Int(60), Redrive: &Redrive{"dlq", 1}}, func(b *bench) {
			b.send("m")
			b.one("q")
			b.advance(86400)
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("dlq"), MessageBody: aws.String("younger")})
			b.ok(err)
			b.none("q")
			b.counts("dlq", "2 0 0")
			b.advance(345600 - 86400)
			b.counts("dlq", "1 0 0")
		}},
		{"API_SetQueueAttributes", "MessageRetentionPeriod ends a message in any state", Queue{MessageRetentionPeriod: aws.Int(60), VisibilityTimeout: aws.Int(100)}, func(b *bench) {
			b.send("in flight")
			b.one("q")
			b.send("visible")
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("delayed"), DelaySeconds: 100})
			b.ok(err)
			b.advance(59)
			b.send("young")
			b.counts("q", "2 1 1")
			b.advance(1)
			b.counts("q", "1 0 0")
			if m := b.one("q"); *m.Body != "young" {
				b.Errorf("received %q", *m.Body)
			}
		}},
		{"API_SetQueueAttributes", "MessageRetentionPeriod counts for each message from when it was sent", Queue{MessageRetentionPeriod: aws.Int(60)}, func(b *bench) {
			for range 3 { // sent at 0, 25 and 50 seconds
				b.send("m")
				b.advance(25)
			}
			b.counts("q", "2 0 0")
			b.advance(10) // 85 s
			b.counts("q", "1 0 0")
			b.advance(24)
			b.counts("q", "1 0 0")
			b.advance(1)
			b.counts("q", "0 0 0")
		}},
		{"API_PurgeQueue", "all messages go, in flight ones too; again only after 60 s", Queue{}, func(b *bench) {
			b.send("a")
			b.one("q")
			b.send("b")
			purge := func() error {
				_, err := b.sqs.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: b.url("q")})
				return err
			}
			b.ok(purge())
			b.counts("q", "0 0 0")
			servicetest.Fails[*types.PurgeQueueInProgress](b, purge())
			b.advance(60)
			b.ok(purge())
		}},
	})
}

// once says that a receive has no duplicate.
func once() bool { return false }

// quotas-messages: about 120,000 messages may be in flight. At the limit a short poll
// gets an error and a long poll gets nothing.
func TestInFlightLimit(t *testing.T) {
	s := newService(clock.NewFake(start), &fault.Faults{}, Queue{Name: "q"})
	q := s.queues["q"]
	for range maxInFlight + 1 {
		q.add(&message{id: uuid.New(), sent: at(start)}, 0, start)
	}
	if taken := q.receive(maxInFlight+1, seconds(30), nil, "", once, start); len(taken) != maxInFlight {
		t.Fatalf("%d messages in flight", len(taken))
	}
	body := `{"QueueUrl":"http://x/000000000000/q","WaitTimeSeconds":`
	if _, err := s.call(t.Context(), "ReceiveMessage", "x", []byte(body+`0}`)); err == nil || err.Code != "OverLimit" {
		t.Errorf("short poll: %v, want OverLimit", err)
	}
	try, apiErr := s.tryReceive(&call{ctx: t.Context(), request: &request{QueueUrl: "http://x/000000000000/q", WaitTimeSeconds: aws.Int(1)}}, start, &waiter{make(chan struct{}, 1)})
	if apiErr != nil || len(try.found) != 0 || try.wait != seconds(1) {
		t.Errorf("long poll: %+v, %v; want nothing and a wait", try, apiErr)
	}
}
