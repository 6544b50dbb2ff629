package sqs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

type polled struct {
	messages []types.Message
	err      error
}

// poll starts a long poll and returns once it waits.
func (b *bench) poll(ctx context.Context, wait int32) <-chan polled {
	b.Helper()
	done := make(chan polled, 1)
	go func() {
		out, err := b.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: b.url("q"), WaitTimeSeconds: wait})
		if err != nil {
			done <- polled{err: err}
			return
		}
		done <- polled{messages: out.Messages}
	}()
	b.clock.BlockUntil(1)
	return done
}

func (b *bench) answer(done <-chan polled) polled {
	b.Helper()
	select {
	case p := <-done:
		return p
	case <-time.After(10 * time.Second):
		b.Fatal("the poll does not end")
		return polled{}
	}
}

func (b *bench) waits(done <-chan polled) {
	b.Helper()
	select {
	case p := <-done:
		b.Fatalf("the poll ended: %+v", p)
	case <-time.After(20 * time.Millisecond):
	}
}

// sqs-short-and-long-polling: a long poll returns as soon as there is a message, or
// without one when its time is over.
func TestLongPoll(t *testing.T) {
	for name, test := range map[string]struct {
		queue Queue
		wait  int32
		run   func(b *bench, done <-chan polled)
		want  int
	}{
		"a message is sent": {Queue{}, 20, func(b *bench, _ <-chan polled) { b.send("m") }, 1},
		"the time is over": {Queue{}, 5, func(b *bench, done <-chan polled) {
			b.advance(4)
			b.waits(done)
			b.advance(1)
		}, 0},
		"a delay is over": {Queue{DelaySeconds: aws.Int(2)}, 20, func(b *bench, done <-chan polled) {
			b.send("m")
			b.clock.BlockUntil(2)
			b.advance(1)
			b.waits(done)
			b.advance(1)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.queue)
			done := b.poll(t.Context(), test.wait)
			b.waits(done)
			test.run(b, done)
			if p := b.answer(done); p.err != nil || len(p.messages) != test.want {
				t.Errorf("%d messages and error %v, want %d", len(p.messages), p.err, test.want)
			}
		})
	}
}

func TestLongPollSeesReturnedMessages(t *testing.T) {
	for name, giveBack := range map[string]func(*bench, *string){
		"visibility timeout over": func(b *bench, _ *string) { b.advance(3) },
		"handed back":             func(b *bench, handle *string) { b.ok(b.hide(handle, 0)) },
		"sooner than it was to":   func(b *bench, handle *string) { b.ok(b.hide(handle, 1)); b.clock.BlockUntil(2); b.advance(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Queue{VisibilityTimeout: aws.Int(3)})
			b.send("m")
			handle := b.one("q").ReceiptHandle
			done := b.poll(t.Context(), 20)
			giveBack(b, handle)
			if p := b.answer(done); p.err != nil || len(p.messages) != 1 {
				t.Errorf("%d messages and error %v, want 1", len(p.messages), p.err)
			}
		})
	}
}

// API_ReceiveMessage: without WaitTimeSeconds the queue's ReceiveMessageWaitTimeSeconds
// applies.
func TestLongPollByTheQueue(t *testing.T) {
	b := newBench(t, Queue{})
	b.ok(b.set(map[string]string{"ReceiveMessageWaitTimeSeconds": "7"}))
	done := b.poll(t.Context(), 0)
	b.advance(6)
	b.waits(done)
	b.advance(1)
	if p := b.answer(done); p.err != nil || len(p.messages) != 0 {
		t.Errorf("%d messages and error %v", len(p.messages), p.err)
	}
}

func TestLongPollEndsWithTheQueue(t *testing.T) {
	b := newBench(t, Queue{})
	done := b.poll(t.Context(), 20)
	_, err := b.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: b.url("q")})
	b.ok(err)
	servicetest.Fails[*types.QueueDoesNotExist](b, b.answer(done).err)
}

// A consumer that closed its connection must not get a message.
func TestLongPollOfNobodyTakesNothing(t *testing.T) {
	s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q"})
	send := []byte(`{"QueueUrl":"http://x/000000000000/q","MessageBody":"m"}`)
	if _, err := s.call(t.Context(), "SendMessage", "x", send); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.call(gone, "ReceiveMessage", "x", send); err != nil {
		t.Fatal(err)
	}
	if c := s.queues["q"].counts(); c.visible != 1 || c.inFlight != 0 {
		t.Errorf("%+v", c)
	}
}

func TestLongPollEndsWithItsCaller(t *testing.T) {
	b := newBench(t, Queue{})
	ctx, cancel := context.WithCancel(t.Context())
	done := b.poll(ctx, 20)
	cancel()
	if p := b.answer(done); !errors.Is(p.err, context.Canceled) {
		t.Errorf("error %v, want canceled", p.err)
	}
}

// With many consumers and one producer, each message goes to one consumer.
func TestConcurrentConsumers(t *testing.T) {
	const total, consumers = 300, 8
	s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan string, total)
	for range consumers {
		go func() {
			for ctx.Err() == nil {
				out, err := s.call(ctx, "ReceiveMessage", "x", []byte(`{"QueueUrl":"http://x/000000000000/q","WaitTimeSeconds":20,"MaxNumberOfMessages":7}`))
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range out.(received).Messages {
					got <- m.MessageId
				}
			}
		}()
	}
	for range total {
		if _, err := s.call(ctx, "SendMessage", "x", []byte(`{"QueueUrl":"http://x/000000000000/q","MessageBody":"m"}`)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for range total {
		select {
		case id := <-got:
			if seen[id] {
				t.Fatalf("%s was delivered twice", id)
			}
			seen[id] = true
		case <-ctx.Done():
			t.Fatalf("%d of %d messages were delivered", len(seen), total)
		}
	}
}

// A message wakes the poll that has waited longest. A poll that ends passes this place to
// the next one: after a message, without its caller, or when its time is over.
func TestLongPollsHandOver(t *testing.T) {
	b := newBench(t, Queue{DelaySeconds: aws.Int(2)})
	gone, cancel := context.WithCancel(t.Context())
	polls := make([]<-chan polled, 4)
	for i, wait := range []int32{20, 1, 20, 20} {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		polls[i] = b.poll(ctx, wait)
		b.clock.BlockUntil(i + 1)
	}
	b.send("a")
	b.send("b")
	b.clock.BlockUntil(5) // the first poll also waits for the delay
	cancel()
	if p := b.answer(polls[0]); !errors.Is(p.err, context.Canceled) {
		t.Errorf("error %v, want canceled", p.err)
	}
	b.clock.BlockUntil(6) // the second has taken over
	b.advance(1)
	if p := b.answer(polls[1]); p.err != nil || len(p.messages) != 0 {
		t.Errorf("%d messages and error %v, want none", len(p.messages), p.err)
	}
	b.clock.BlockUntil(5) // the second's timers have fired, and the third has taken over
	b.advance(1)
	for _, done := range polls[2:] {
		if p := b.answer(done); p.err != nil || len(p.messages) != 1 {
			t.Errorf("%d messages and error %v, want 1", len(p.messages), p.err)
		}
	}
}
