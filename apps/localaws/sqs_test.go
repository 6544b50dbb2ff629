package localaws

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// handClock moves when the test moves it.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After never fires: no test here waits on it.
func (c *handClock) After(time.Duration) <-chan time.Time { return nil }

func (c *handClock) advance(seconds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Duration(seconds) * time.Second)
}

type bench struct {
	*testing.T
	client *sqs.Client
	clock  *handClock
	url    string
}

func newBench(t *testing.T, q Queue, others ...Queue) *bench {
	t.Helper()
	clock := &handClock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	q.Name = "q"
	server, err := New(Config{Region: "eu-west-1", AccountID: "000000000000", Queues: append(others, q)}, WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return &bench{T: t, clock: clock, url: listener.URL + "/000000000000/", client: sqs.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})}
}

func (b *bench) send(body string) {
	b.Helper()
	if _, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(b.url + "q"), MessageBody: &body}); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) receive(name string) []types.Message {
	b.Helper()
	out, err := b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(b.url + name), MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		b.Fatal(err)
	}
	return out.Messages
}

// counts are visible, in flight and delayed, as KEDA reads them.
func (b *bench) counts(want string) {
	b.Helper()
	out, err := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(b.url + "q"), AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		b.Fatal(err)
	}
	a := out.Attributes
	got := a["ApproximateNumberOfMessages"] + " " + a["ApproximateNumberOfMessagesNotVisible"] + " " + a["ApproximateNumberOfMessagesDelayed"]
	if got != want {
		b.Errorf("visible, in flight, delayed: %s, want %s", got, want)
	}
}

func number(n int) *int { return &n }

// Each case names the page of the SQS Developer Guide or API Reference that it
// follows.
func TestSemantics(t *testing.T) {
	for name, test := range map[string]struct {
		queue Queue
		run   func(b *bench)
	}{
		"sqs-delay-queues: a delayed message is counted and not received": {Queue{DelaySeconds: number(2)}, func(b *bench) {
			b.send("m")
			b.counts("0 0 1")
			if got := b.receive("q"); len(got) != 0 {
				b.Errorf("received %d before the delay was over", len(got))
			}
			b.clock.advance(2)
			b.counts("1 0 0")
		}},
		"sqs-visibility-timeout: a received message is in flight, and comes back": {Queue{VisibilityTimeout: number(30)}, func(b *bench) {
			b.send("m")
			b.receive("q")
			b.counts("0 1 0")
			b.clock.advance(29)
			b.counts("0 1 0")
			b.clock.advance(1)
			b.counts("1 0 0")
			again := b.receive("q")
			if len(again) != 1 || again[0].Attributes["ApproximateReceiveCount"] != "2" {
				b.Errorf("redelivery: %+v", again)
			}
		}},
		"API_DeleteMessage: a deleted message is gone, and deleting again succeeds": {Queue{}, func(b *bench) {
			b.send("m")
			m := b.receive("q")[0]
			for range 2 {
				if _, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(b.url + "q"), ReceiptHandle: m.ReceiptHandle}); err != nil {
					b.Error(err)
				}
			}
			b.clock.advance(60)
			b.counts("0 0 0")
		}},
		"API_ChangeMessageVisibility: zero hands the message back": {Queue{}, func(b *bench) {
			b.send("m")
			m := b.receive("q")[0]
			if _, err := b.client.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: aws.String(b.url + "q"), ReceiptHandle: m.ReceiptHandle}); err != nil {
				b.Fatal(err)
			}
			b.counts("1 0 0")
		}},
		"API_ChangeMessageVisibility: a message that is not in flight is refused": {Queue{VisibilityTimeout: number(1)}, func(b *bench) {
			b.send("m")
			m := b.receive("q")[0]
			b.clock.advance(2)
			_, err := b.client.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: aws.String(b.url + "q"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 9})
			var notInFlight *types.MessageNotInflight
			if !errors.As(err, &notInFlight) {
				b.Errorf("error %v, want MessageNotInflight", err)
			}
		}},
		"sqs-dead-letter-queues: after maxReceiveCount receives it moves": {Queue{VisibilityTimeout: number(1), Redrive: &Redrive{"dlq", 2}}, func(b *bench) {
			b.send("m")
			for range 2 {
				if got := b.receive("q"); len(got) != 1 {
					b.Fatalf("received %d", len(got))
				}
				b.clock.advance(1)
			}
			if got := b.receive("q"); len(got) != 0 {
				b.Errorf("received a third time")
			}
			if got := b.receive("dlq"); len(got) != 1 || *got[0].Body != "m" {
				b.Errorf("dead-letter queue: %+v", got)
			}
		}},
		"API_SetQueueAttributes: MessageRetentionPeriod ends a message": {Queue{MessageRetentionPeriod: number(60)}, func(b *bench) {
			b.send("m")
			b.clock.advance(60)
			b.counts("0 0 0")
		}},
		"API_ReceiveMessage: at most ten, a long poll at most 20 s": {Queue{}, func(b *bench) {
			for _, in := range []sqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201}} {
				in.QueueUrl = aws.String(b.url + "q")
				_, err := b.client.ReceiveMessage(b.Context(), &in)
				wantCode(b, err, "InvalidParameterValue")
			}
		}},
		"API_SendMessageBatch: ids must be distinct, one to ten entries": {Queue{}, func(b *bench) {
			entry := func(id string) types.SendMessageBatchRequestEntry {
				return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String("m")}
			}
			send := func(entries ...types.SendMessageBatchRequestEntry) error {
				_, err := b.client.SendMessageBatch(b.Context(), &sqs.SendMessageBatchInput{QueueUrl: aws.String(b.url + "q"), Entries: entries})
				return err
			}
			wantCode(b, send(entry("a"), entry("a")), "BatchEntryIdsNotDistinct")
			wantCode(b, send([]types.SendMessageBatchRequestEntry{}...), "EmptyBatchRequest")
			eleven := make([]types.SendMessageBatchRequestEntry, 11)
			for i := range eleven {
				eleven[i] = entry(strings.Repeat("x", i+1))
			}
			wantCode(b, send(eleven...), "TooManyEntriesInBatchRequest")
			b.counts("0 0 0")
		}},
		"API_SendMessage: bodies above the limit are refused": {Queue{}, func(b *bench) {
			_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(b.url + "q"), MessageBody: aws.String(strings.Repeat("x", maxBody+1))})
			wantCode(b, err, "InvalidParameterValue")
		}},
		"API_GetQueueUrl: an unknown queue has the SDK's own error": {Queue{}, func(b *bench) {
			_, err := b.client.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("nope")})
			var missing *types.QueueDoesNotExist
			if !errors.As(err, &missing) {
				b.Errorf("error %v, want QueueDoesNotExist", err)
			}
		}},
		"API_DeleteMessage: a handle that was never given is refused": {Queue{}, func(b *bench) {
			_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(b.url + "q"), ReceiptHandle: aws.String("x")})
			wantCode(b, err, "ReceiptHandleIsInvalid")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.run(newBench(t, test.queue, Queue{Name: "dlq"}))
		})
	}
}

func wantCode(b *bench, err error, code string) {
	b.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || !strings.HasSuffix(api.ErrorCode(), code) {
		b.Errorf("error %v, want %s", err, code)
	}
}

// A long poll ends as soon as a message arrives.
func TestLongPollWakes(t *testing.T) {
	s, err := New(Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []Queue{{Name: "q"}}})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := s.named("q")
	got := make(chan []message)
	go func() { got <- s.poll(context.Background(), q, 1, 30, 20) }()
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	q.send(&message{id: "m"}, 0, time.Now())
	if messages := <-got; len(messages) != 1 || time.Since(start) > 5*time.Second {
		t.Errorf("%d messages after %s", len(messages), time.Since(start))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"QueueUrl":"http://x/000000000000/q","Entries":[{"Id":"0"}]}`))
	f.Add([]byte(`{"DelaySeconds":"1"}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := New(Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []Queue{{Name: "q"}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // no long poll waits
		for name := range actions {
			out, apiErr := s.call(ctx, httptest.NewRequest("POST", "/", nil), name, data)
			if apiErr != nil && apiErr.code == "" {
				t.Errorf("%s: an error without a code, and result %v", name, out)
			}
		}
	})
}
