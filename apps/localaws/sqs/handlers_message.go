package sqs

import (
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type sendResult struct {
	Id                           string `json:",omitempty"` // only in a batch
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func sendMessage(s *Service, c *call) (any, *protocol.Error) {
	l := write("", c.newMessage)
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return l.send(q, s.clock.Now())
}

// letter is a message that is ready to be sent. Making it takes time, so it is made
// without the lock.
type letter struct {
	message *message
	size    int
	delay   *int
	result  sendResult
	err     *protocol.Error
}

// write checks a new message and returns its letter. In a batch the letter has an id.
func write(id string, in newMessage) letter {
	if err := in.check(); err != nil {
		return letter{err: err}
	}
	m := &message{id: uuid.New(), body: in.MessageBody, attributes: encodeAttributes(in.MessageAttributes), trace: in.trace()}
	return letter{message: m, size: in.size(), delay: in.DelaySeconds, result: sendResult{
		Id: id, MessageId: m.id.String(), MD5OfMessageBody: md5Hex(m.body),
		MD5OfMessageAttributes:       md5Hex(m.attributes),
		MD5OfMessageSystemAttributes: md5Hex(encodeAttributes(in.MessageSystemAttributes)),
	}}
}

func (l letter) send(q *queue, now time.Time) (any, *protocol.Error) {
	if err := l.err; err != nil {
		return nil, err
	}
	if limit := q.settings.maxSize; l.size > limit {
		return nil, tooLong(l.size, limit)
	}
	l.message.sent = at(now)
	q.add(l.message, seconds(or(l.delay, q.settings.delay)), now)
	return l.result, nil
}

func deleteMessage(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, c.delete(q, c.ReceiptHandle)
}

// delete removes the message of a handle. It also succeeds for a message that is gone,
// and for one that a fault keeps.
func (c *call) delete(q *queue, handle string) *protocol.Error {
	m, newest, err := q.find(handle)
	if err != nil || m == nil || !newest && c.faults.Stale(c.action) || c.faults.Duplicate(c.action) {
		return err
	}
	q.remove(m)
	return nil
}

func changeMessageVisibility(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.changeVisibility(c.ReceiptHandle, c.VisibilityTimeout, s.clock.Now())
}

type received struct {
	Messages []receivedMessage `json:",omitempty"`
}

// receiveMessage polls until there is a message, the wait is over, or the caller is gone:
// a message must not be hidden for a caller that hung up.
func receiveMessage(s *Service, c *call) (any, *protocol.Error) {
	if err := first(
		within("MaxNumberOfMessages", c.MaxNumberOfMessages, 1, maxBatch),
		within("VisibilityTimeout", c.VisibilityTimeout, 0, maxVisibility),
		within("WaitTimeSeconds", c.WaitTimeSeconds, 0, maxWait),
		c.checkSystemNames(),
	); err != nil {
		return nil, err
	}
	start := s.clock.Now()
	w := &waiter{make(chan struct{}, 1)}
	for c.ctx.Err() == nil {
		try, err := s.tryReceive(c, start, w)
		if err != nil || len(try.found) > 0 || try.wait <= 0 {
			return try.answer(c.request), err
		}
		select {
		case <-c.ctx.Done():
		case <-w.woken:
		case <-s.clock.After(try.wait):
		}
	}
	s.hangUp(c, w)
	return received{}, nil
}

// attempt looks at a queue once. If it finds nothing, the caller tries again when the
// waiter is woken or, if wait is positive, after wait.
type attempt struct {
	found []delivery
	wait  time.Duration
}

func (a attempt) answer(in *request) (out received) {
	for i := range a.found {
		out.Messages = append(out.Messages, a.found[i].answer(in))
	}
	return out
}

func (s *Service) tryReceive(c *call, start time.Time, w *waiter) (attempt, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Looked up each time, because the queue may be deleted meanwhile.
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return attempt{}, err
	}
	now := s.clock.Now()
	polls := or(c.WaitTimeSeconds, q.settings.wait)
	if polls == 0 && q.inFlight >= maxInFlight {
		q.leave(w)
		return attempt{}, &protocol.Error{Code: "OverLimit", Message: "too many messages of queue " + q.name + " are in flight: delete some"}
	}
	visibility := seconds(or(c.VisibilityTimeout, q.settings.visibility))
	dead := s.queues[q.settings.redrive.target]
	again := func() bool { return c.faults.Duplicate(c.action) }
	a := attempt{wait: start.Add(seconds(polls)).Sub(now)}
	a.found = q.receive(or(c.MaxNumberOfMessages, 1), visibility, dead, s.arn(q.name), again, now)
	if len(a.found) > 0 || a.wait <= 0 {
		q.leave(w)
		return a, nil
	}
	q.wait(w)
	if m := q.hidden.first(); m != nil && q.waiting[0] == w {
		a.wait = min(a.wait, m.due.time().Sub(now))
	}
	return a, nil
}

// hangUp ends the wait of a poll whose caller is gone.
func (s *Service) hangUp(c *call, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, err := s.find(c.QueueUrl); err == nil {
		q.leave(w)
	}
}
