package sqs

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

func (b *bench) trySend() error {
	_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m")})
	return err
}

func (b *bench) status(err error, want int) {
	b.Helper()
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != want {
		b.Errorf("error %v, want status %d", err, want)
	}
}

// A fault of a call has its code, status and side. It hits as often as it says, in order,
// and no other action.
func TestFaultOfACall(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 2, Code: "RequestThrottled"})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "ServiceUnavailable", Status: 503})
	b.counts("q", "0 0 0")
	for range 2 {
		err := b.trySend()
		servicetest.Fails[*types.RequestThrottled](b, err)
		b.status(err, 403)
	}
	err := b.trySend()
	servicetest.Code(b, err, "ServiceUnavailable")
	b.status(err, 503)
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorFault() != smithy.FaultServer {
		t.Errorf("error %v, want the server's fault", err)
	}
	if left := b.faults.Left("SendMessage"); left != 0 {
		t.Errorf("%d failures left", left)
	}
	b.counts("q", "0 0 0")
	b.ok(b.trySend())
	b.counts("q", "1 0 0")
}

// The SDK retries until the fault ends.
func TestFaultIsRetried(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "InternalError", Status: 500})
	_, err := b.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m")}, func(o *sqs.Options) { o.RetryMaxAttempts = 2 })
	b.ok(err)
	b.counts("q", "1 0 0")
}

// The answer gets lost: a retry makes a duplicate, as with AWS.
func TestLateFault(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "InternalError", Status: 500, Late: true})
	servicetest.Code(b, b.trySend(), "InternalError")
	b.counts("q", "1 0 0")
	b.ok(b.trySend())
	b.counts("q", "2 0 0")
}

func TestFaultOfEntries(t *testing.T) {
	b := newBench(t, Queue{})
	entries := []types.SendMessageBatchRequestEntry{batchEntry("a", "m"), batchEntry("b", "m"), batchEntry("c", "m")}
	for _, f := range []fault.Fault{{Code: "InternalError"}, {Code: "RequestThrottled", Status: 403}} {
		f.Action, f.Times, f.Entry = "SendMessageBatch", 2, true
		b.faults.Add(f)
		out, err := b.sendBatch(entries...)
		b.ok(err)
		if len(out.Successful) != 1 || *out.Successful[0].Id != "c" || len(out.Failed) != 2 {
			t.Fatalf("%d successful, %d failed", len(out.Successful), len(out.Failed))
		}
		for _, failed := range out.Failed {
			if *failed.Code != f.Code || failed.SenderFault != (f.Status == 403) {
				t.Errorf("failed: code %s, the sender's fault %t", *failed.Code, failed.SenderFault)
			}
		}
	}
	b.counts("q", "2 0 0")
	messages := b.receive("q")
	b.faults.Add(fault.Fault{Action: "DeleteMessageBatch", Times: 1, Code: "InternalError", Entry: true})
	out, err := b.sqs.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: b.url("q"), Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("0"), ReceiptHandle: messages[0].ReceiptHandle}, {Id: aws.String("1"), ReceiptHandle: messages[1].ReceiptHandle},
	}})
	b.ok(err)
	if len(out.Failed) != 1 || *out.Failed[0].Id != "0" {
		t.Errorf("failed: %+v", out.Failed)
	}
	b.counts("q", "0 1 0")
}

// Latency passes on the server's clock. Latency alone is no error.
func TestLatency(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Latency: time.Minute})
	done := make(chan polled, 1)
	go func() { done <- polled{err: b.trySend()} }()
	b.clock.BlockUntil(1)
	b.advance(59)
	b.waits(done)
	b.advance(1)
	b.ok(b.answer(done).err)
}

// A lost answer closes the connection before the effect or after it.
func TestLostAnswer(t *testing.T) {
	for late, want := range map[bool]string{false: "0 0 0", true: "1 0 0"} {
		b := newBench(t, Queue{})
		b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Lost: true, Late: late})
		err := b.trySend()
		var answer *awshttp.ResponseError
		if err == nil || errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
			t.Errorf("late %t: error %v, want no answer", late, err)
		}
		b.counts("q", want)
	}
}

// The messages of a lost receive are in flight, although no consumer has them.
func TestLostReceive(t *testing.T) {
	b := newBench(t, Queue{})
	b.send("m")
	b.faults.Add(fault.Fault{Action: "ReceiveMessage", Times: 1, Lost: true, Late: true})
	if _, err := b.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: b.url("q")}); err == nil {
		t.Error("an answer")
	}
	b.counts("q", "0 1 0")
	b.advance(30)
	b.one("q")
}

// SQS delivers at least once. A message may come again while it is in flight, and after
// its deletion.
func TestDuplicates(t *testing.T) {
	for action, remove := range map[string]func(b *bench, handle *string){
		"ReceiveMessage": nil,
		"DeleteMessage":  func(b *bench, handle *string) { b.ok(b.delete(handle)) },
		"DeleteMessageBatch": func(b *bench, handle *string) {
			out, err := b.sqs.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{
				QueueUrl: b.url("q"), Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: handle}},
			})
			b.ok(err)
			if len(out.Successful) != 1 {
				b.Errorf("%+v", out)
			}
		},
	} {
		t.Run(action, func(t *testing.T) {
			b := newBench(t, Queue{})
			b.send("m")
			b.faults.Add(fault.Fault{Action: action, Times: 1, Duplicate: true})
			first := b.one("q")
			if remove != nil {
				remove(b, first.ReceiptHandle)
				b.counts("q", "0 1 0")
				b.advance(30)
			}
			second := b.one("q")
			if *second.MessageId != *first.MessageId || second.Attributes["ApproximateReceiveCount"] != "2" {
				t.Errorf("%s, received %s times, is no duplicate of %s", *second.MessageId, second.Attributes["ApproximateReceiveCount"], *first.MessageId)
			}
			b.ok(b.delete(first.ReceiptHandle))
			b.counts("q", "0 0 0")
		})
	}
}

// An old receipt handle deletes nothing, but its call succeeds. Only the newest handle
// deletes the message.
func TestStaleHandle(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Set(1, fault.Fault{Action: "DeleteMessage", Rate: 1, Stale: true})
	b.send("m")
	old := b.one("q")
	b.advance(30)
	newest := b.one("q")
	b.ok(b.delete(old.ReceiptHandle))
	b.counts("q", "0 1 0")
	b.ok(b.delete(newest.ReceiptHandle))
	b.counts("q", "0 0 0")
}

// A share of the messages is delivered twice. All of them are deleted in the end.
func TestDuplicatesAtARate(t *testing.T) {
	const total = 200
	b := newBench(t, Queue{})
	b.faults.Set(3, fault.Fault{Action: "ReceiveMessage", Rate: 0.1, Duplicate: true})
	for range total {
		b.send("m")
	}
	delivered, distinct := 0, map[string]bool{}
	for messages := b.receive("q"); len(messages) > 0; messages = b.receive("q") {
		for _, m := range messages {
			delivered++
			distinct[*m.MessageId] = true
		}
	}
	if len(distinct) != total || delivered < total*105/100 || delivered > total*120/100 {
		t.Errorf("%d deliveries of %d messages, want about %d of %d", delivered, len(distinct), total*111/100, total)
	}
}

func TestThrottling(t *testing.T) {
	const calls = 200
	b := newBench(t, Queue{})
	b.faults.Set(1, fault.Fault{Action: "*", Rate: 0.25, Code: "RequestThrottled"})
	throttled := 0
	for range calls {
		if err := b.trySend(); err != nil {
			servicetest.Fails[*types.RequestThrottled](b, err)
			b.status(err, 403)
			throttled++
		}
	}
	if throttled < calls/6 || throttled > calls/3 {
		t.Errorf("%d of %d calls were throttled, want about a quarter", throttled, calls)
	}
	b.faults.Set(0)
	b.counts("q", strconv.Itoa(calls-throttled)+" 0 0")
}

// API_GetQueueAttributes: the counts may be inconsistent for up to a minute after the
// producers stop.
func TestApproximateCounts(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Set(5, fault.Fault{Action: "GetQueueAttributes", Rate: 1, Lag: 30 * time.Second})
	b.counts("q", "0 0 0")
	b.advance(10)
	b.send("a")
	b.send("b")
	b.counts("q", "0 0 0")
	b.advance(10)
	if messages := b.receive("q"); len(messages) != 2 {
		t.Errorf("received %d messages, want 2", len(messages))
	}
	b.advance(15) // 35 s: the counts of 5 s
	b.counts("q", "0 0 0")
	b.advance(6) // 41 s: the counts of 11 s
	b.counts("q", "2 0 0")
	b.advance(8) // 49 s: the counts of 19 s
	b.counts("q", "2 0 0")
	b.faults.Set(0)
	b.counts("q", "0 2 0")

	b = newBench(t, Queue{})
	for range 100 {
		b.send("m")
	}
	b.faults.Set(5, fault.Fault{Action: "GetQueueAttributes", Rate: 1, Jitter: 0.2})
	seen := map[string]bool{}
	for range 20 {
		n, err := strconv.Atoi(b.attributes("q", "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])
		b.ok(err)
		if n < 80 || n > 120 {
			t.Errorf("%d messages, want 80 to 120", n)
		}
		seen[strconv.Itoa(n)] = true
	}
	if len(seen) < 5 {
		t.Errorf("the counts do not vary: %v", seen)
	}
}
