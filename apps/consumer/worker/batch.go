package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
)

// maxPutOff is the longest time for which a failed message stays hidden.
const maxPutOff = 15 * time.Minute

// message is a message that the worker holds.
type message struct {
	Message
	// deleting stops the heartbeat of a message whose batch is still being handled.
	deleting atomic.Bool
}

// batch is the messages of one poll.
type batch struct {
	messages []*message
	// until ends when no more messages may be started.
	until context.Context
	// last means that the worker had been asked to end before this batch arrived.
	last bool
}

func newBatch(messages []Message) batch {
	b := batch{messages: make([]*message, len(messages))}
	for i, m := range messages {
		b.messages[i] = &message{Message: m}
	}
	return b
}

// receive asks for a short visibility timeout, so that messages come back soon if the
// answer is lost or the consumer is killed. The heartbeat extends it to the queue's
// timeout.
func (w *Worker) receive(ctx context.Context, limit int) ([]Message, error) {
	messages, err := w.queue.Receive(ctx, limit, w.longPoll, min(w.visibility, config.FirstVisibility))
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", w.config.Queue, err)
	}
	w.counters.received.Add(len(messages))
	return messages, nil
}

// process handles a batch: each message is stored or quarantined. Messages that are not
// started by the end of the batch go back to the queue, and failed ones are put off.
func (r *run) process(b batch) {
	stop := r.heartbeat(b.messages)
	defer stop()
	if !b.last {
		sleep(b.until, r.config.ProcessDelay)
	}
	failed, rest := r.storeAll(b)
	// Otherwise the heartbeat would hide messages again that went back.
	stop()
	// First, because other consumers wait for these, and little time may be left.
	if len(rest) > 0 {
		r.handBack(rest)
		r.settled <- settled{len(rest), handedBack}
	}
	if len(failed) > 0 {
		r.putOff(failed)
		r.settled <- settled{len(failed), putOff}
	}
}

// job is a message for a storer, and the channel on which the storer reports the result.
type job struct {
	*message
	until context.Context
	err   *error
	done  func()
}

// storeAll stores messages concurrently, as storers become free. It returns those that
// failed and those that were not started.
func (r *run) storeAll(b batch) (failed, rest []*message) {
	var stores sync.WaitGroup
	errs := make([]error, len(b.messages))
	begun := 0
	for _, m := range b.messages {
		stores.Add(1)
		if !r.offer(job{m, b.until, &errs[begun], stores.Done}) {
			stores.Done()
			break
		}
		begun++
	}
	stores.Wait()
	for i, m := range b.messages[:begun] {
		if errs[i] != nil {
			failed = append(failed, m)
		}
	}
	return failed, b.messages[begun:]
}

// offer waits for a free storer, until no more messages may be started.
func (r *run) offer(j job) bool {
	if j.until.Err() != nil {
		return false
	}
	select {
	case <-j.until.Done():
		return false
	case r.jobs <- j:
		return true
	}
}

// storer stores one message after the other, and reports each result.
func (r *run) storer() {
	for j := range r.jobs {
		begun := time.Now()
		result, err := r.handle(j.until, r.begun, j.Message)
		if err != nil {
			r.log.Error("handle failed, the message is put off", "message_id", j.ID, "error", err)
		}
		*j.err = err
		r.handled <- handled{j.message, result, time.Since(begun), err}
		j.done()
	}
}

// heartbeat keeps a batch hidden if handling it takes longer than the visibility timeout.
// The function that it returns stops it, and waits for a call in flight; it may be called
// twice.
func (r *run) heartbeat(messages []*message) (stop func()) {
	every := config.Heartbeat(r.visibility)
	if every == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(r.drained)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.beatEvery(ctx, config.Heartbeat(min(r.visibility, config.FirstVisibility)), every, messages)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// beatEvery extends the visibility timeout of messages at the first tick. It repeats that
// every period or, after a failure, at the next tick.
func (r *run) beatEvery(ctx context.Context, tick, every time.Duration, messages []*message) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	var due time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			// Ticks are not perfectly regular.
			if now.Add(tick/2).After(due) && r.beat(ctx, tick, messages) {
				due = now.Add(every)
			}
		}
	}
}

// beat extends the timeout, and reports whether it succeeded or a retry would be useless.
// It gives up when the next tick is due.
func (r *run) beat(ctx context.Context, tick time.Duration, messages []*message) bool {
	ctx, cancel := context.WithTimeout(ctx, tick)
	defer cancel()
	var kept []*message
	for _, m := range messages {
		if !m.deleting.Load() {
			kept = append(kept, m)
		}
	}
	return r.hide(ctx, kept, func(Message) time.Duration { return r.visibility })
}

// handBack makes messages visible to other consumers at once. It costs a receive, so
// maxReceiveCount allows for it.
func (r *run) handBack(messages []*message) {
	r.hide(r.drained, messages, func(Message) time.Duration { return 0 })
	r.log.Info("messages handed back", "count", len(messages))
}

// putOff hides failed messages, longer each time: an outage of the bucket must not use up
// maxReceiveCount and dead-letter good events.
func (r *run) putOff(messages []*message) {
	r.counters.retried.Add(len(messages))
	r.hide(r.drained, messages, func(m Message) time.Duration { return putOffFor(r.visibility, m.Received) })
}

// putOffFor returns a time that starts at the queue's visibility timeout and doubles with
// each receive.
func putOffFor(visibility time.Duration, received int) time.Duration {
	wait := max(visibility, time.Second)
	limit := max(wait, maxPutOff)
	for range received - 1 {
		if wait *= 2; wait >= limit {
			return limit
		}
	}
	return wait
}

// hide changes the messages' visibility timeouts, and reports whether it succeeded or a
// retry would be useless. A failure costs only time: the messages come back when their
// timeout ends.
func (r *run) hide(ctx context.Context, messages []*message, howLong func(Message) time.Duration) bool {
	if len(messages) == 0 {
		return true
	}
	plain := plain(messages)
	times := make([]time.Duration, len(plain))
	for i, m := range plain {
		times[i] = howLong(m)
	}
	failures, err := r.queue.Hide(ctx, plain, times)
	if err != nil {
		r.log.Warn("change of visibility failed", "error", err)
		return false
	}
	final := true
	for _, f := range failures {
		r.log.Warn("change of visibility failed", "error", f.Err)
		final = final && f.Final
	}
	return final
}

// delete deletes messages that are stored or quarantined. One that cannot be deleted
// comes back, and is then found stored or is quarantined twice.
func (r *run) delete(messages []*message) {
	for _, m := range messages {
		m.deleting.Store(true)
	}
	left := plain(messages)
	if err := r.retry(r.asked, "delete", func() (err error) {
		left, err = r.deleteOnce(left)
		return err
	}); err != nil {
		r.log.Error("messages left undeleted, they will come back", "count", len(left), "error", err)
	}
}

// deleteOnce returns the messages that are worth a retry, with the reasons.
func (r *run) deleteOnce(messages []Message) (again []Message, err error) {
	failures, err := r.queue.Delete(r.drained, messages)
	if err != nil {
		return messages, fmt.Errorf("delete from %s: %w", r.config.Queue, err)
	}
	r.counters.deleted.Add(len(messages) - len(failures))
	var errs []error
	for _, f := range failures {
		reason := fmt.Errorf("delete from %s: %w", r.config.Queue, f.Err)
		if f.Final {
			r.log.Error("message cannot be deleted", "error", reason)
			continue
		}
		again, errs = append(again, messages[f.Index]), append(errs, reason)
	}
	return again, errors.Join(errs...)
}

func plain(messages []*message) []Message {
	plain := make([]Message, len(messages))
	for i, m := range messages {
		plain[i] = m.Message
	}
	return plain
}
