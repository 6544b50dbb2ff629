package sqs

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
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

// A call's fault has the code, status and side that it names, hits as often as
// it says, in order, and leaves other actions alone.
func TestFaultOfACall(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 2, Code: "RequestThrottled"})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "ServiceUnavailable", Status: 503})
	b.counts("q", "0 0 0")
	for range 2 {
		err := b.trySend()
		fails[*types.RequestThrottled](b, err)
		b.status(err, 403)
	}
	err := b.trySend()
	b.code(err, "ServiceUnavailable")
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

// The SDK's retries get over a fault that ends.
func TestFaultIsRetried(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "InternalError", Status: 500})
	_, err := b.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m")}, func(o *sqs.Options) { o.RetryMaxAttempts = 2 })
	b.ok(err)
	b.counts("q", "1 0 0")
}

// An answer that got lost: a retry makes a duplicate, as with AWS.
func TestLateFault(t *testing.T) {
	b := newBench(t, Queue{})
	b.faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "InternalError", Status: 500, Late: true})
	b.code(b.trySend(), "InternalError")
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

// Latency is by the server's clock, and alone no error.
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
