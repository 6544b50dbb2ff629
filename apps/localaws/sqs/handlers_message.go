package sqs

import (
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type sendResult struct {
	Id                           string `json:",omitempty"` // in a batch
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func sendMessage(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return s.send(q, "", c.newMessage)
}

func (s *Service) send(q *queue, id string, in newMessage) (any, *protocol.Error) {
	if err := in.check(q.settings.maxSize); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	m := &message{id: uuid.NewString(), body: in.MessageBody, attributes: in.MessageAttributes, trace: in.trace(), sent: now}
	q.add(m, seconds(or(in.DelaySeconds, q.settings.delay)), now)
	return sendResult{
		Id: id, MessageId: m.id, MD5OfMessageBody: md5Hex([]byte(m.body)),
		MD5OfMessageAttributes:       attributesMD5(in.MessageAttributes),
		MD5OfMessageSystemAttributes: attributesMD5(in.MessageSystemAttributes),
	}, nil
}

func deleteMessage(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.delete(q, c.action, c.ReceiptHandle)
}

// delete removes the message of a handle. Deleting one that is gone succeeds.
func (s *Service) delete(q *queue, action, handle string) *protocol.Error {
	m, err := q.find(handle)
	if err == nil && m != nil && !s.faults.Duplicate(action) {
		q.remove(m)
	}
	return err
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

// receiveMessage polls until there is a message, the wait is over, or the
// caller is gone: a message must not be hidden for somebody who hung up.
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
	for c.ctx.Err() == nil {
		try, err := s.tryReceive(c, start)
		if err != nil || len(try.out.Messages) > 0 || try.wait <= 0 {
			return try.out, err
		}
		select {
		case <-c.ctx.Done():
		case <-try.wake:
		case <-s.clock.After(try.wait):
		}
	}
	return received{}, nil
}

// attempt is one look at a queue. If it found nothing, looking again makes
// sense after wake, or after wait if that is positive.
type attempt struct {
	out  received
	wake <-chan struct{}
	wait time.Duration
}

func (s *Service) tryReceive(c *call, start time.Time) (attempt, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Each time anew: the queue may be deleted in the meantime.
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return attempt{}, err
	}
	now := s.clock.Now()
	polls := or(c.WaitTimeSeconds, q.settings.wait)
	if polls == 0 && q.inFlight >= maxInFlight {
		return attempt{}, &protocol.Error{Code: "OverLimit", Message: "too many messages of queue " + q.name + " are in flight: delete some"}
	}
	visibility := seconds(or(c.VisibilityTimeout, q.settings.visibility))
	dead := s.queues[q.settings.redrive.target]
	a := attempt{wait: start.Add(seconds(polls)).Sub(now)}
	for _, m := range q.receive(or(c.MaxNumberOfMessages, 1), visibility, dead, s.arn(q.name), now) {
		a.out.Messages = append(a.out.Messages, m.answer(c.request))
		if s.faults.Duplicate(c.action) {
			q.lift(m)
			q.place(m, 0, now)
		}
	}
	a.wake = q.wake
	if len(q.hidden) > 0 {
		a.wait = min(a.wait, q.hidden[0].due.Sub(now))
	}
	return a, nil
}
