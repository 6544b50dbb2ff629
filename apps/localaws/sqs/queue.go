package sqs

import (
	"container/heap"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// queue is a standard queue. The Service's lock guards it.
type queue struct {
	// id is part of receipt handles, so that handles of another queue, or of a deleted
	// one with the same name, are not valid here.
	id                        uuid.UUID
	name                      string
	created, modified, purged time.Time
	settings                  settings
	tags                      map[string]string
	policy                    *iam.Policy // parsed settings.policy

	messages map[uuid.UUID]*message
	visible  line    // in the order in which they became visible
	hidden   ordered // by when it becomes visible
	aging    ordered // every message, by when it was sent
	inFlight int     // hidden messages that are not delayed
	waiting  []*waiter
	history  []past // the oldest first
}

// settings are the attributes that can be set; times are in seconds, as on AWS.
// CreateQueue compares them with ==.
type settings struct {
	delay, visibility, retention, wait, maxSize int
	redrive                                     redrive
	// sse is stored but has no effect.
	policy, redriveAllow, sse string
}

// redrive moves messages after max receives; it is off if target, a queue's name, is
// empty.
type redrive struct {
	target string
	max    int
}

// defaultSettings returns AWS's defaults:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func defaultSettings() settings {
	return settings{visibility: 30, retention: 345600, maxSize: maxSize, sse: "true"}
}

func newQueue(name string, s settings, now time.Time) *queue {
	q := &queue{name: name, id: uuid.New(), created: now, modified: now, settings: s, tags: map[string]string{}}
	q.clear()
	return q
}

func (q *queue) clear() {
	q.messages, q.inFlight, q.visible = map[uuid.UUID]*message{}, 0, line{}
	q.hidden = ordered{time: func(m *message) instant { return m.due }, place: func(m *message) *int { return &m.inHidden }}
	q.aging = ordered{time: func(m *message) instant { return m.sent }, place: func(m *message) *int { return &m.inAging }}
}

// settle removes the messages that are past their retention, and makes those
// visible whose delay or visibility timeout has ended. The other methods assume
// that it was called for the same now.
func (q *queue) settle(now time.Time) {
	limit := at(now.Add(-seconds(q.settings.retention)))
	for m := q.aging.first(); m != nil && m.sent <= limit; m = q.aging.first() {
		q.remove(m)
	}
	for m := q.hidden.first(); m != nil && m.due <= at(now); m = q.hidden.first() {
		q.lift(m)
		q.visible.push(m)
	}
	q.remember(now)
}

// add adds a message that is new to this queue.
func (q *queue) add(m *message, delay time.Duration, now time.Time) {
	q.messages[m.id] = m
	m.tries = 0
	heap.Push(&q.aging, m)
	q.place(m, delay, now)
}

// place makes a message visible or hidden; it must be neither before.
func (q *queue) place(m *message, hiddenFor time.Duration, now time.Time) {
	if hiddenFor <= 0 {
		q.visible.push(m)
	} else {
		m.due = at(now.Add(hiddenFor))
		heap.Push(&q.hidden, m)
		if m.tries > 0 {
			q.inFlight++
		}
		if m.inHidden > 0 {
			return // no earlier time to wake up for
		}
	}
	q.wake()
}

// lift removes a message from the visible or the hidden ones.
func (q *queue) lift(m *message) {
	if m.visible {
		q.visible.remove(m)
		return
	}
	if m.tries > 0 {
		q.inFlight--
	}
	heap.Remove(&q.hidden, m.inHidden)
}

func (q *queue) remove(m *message) {
	q.lift(m)
	heap.Remove(&q.aging, m.inAging)
	delete(q.messages, m.id)
}

// delivery is a message at the time of its receive.
type delivery struct {
	message
	handle string
}

// receive returns up to n visible messages, in no guaranteed order, and hides them,
// except those to be delivered again. Messages that reached their limit of receives move
// to dead, unless it is nil.
func (q *queue) receive(n int, visibility time.Duration, dead *queue, arn string, again func() bool, now time.Time) (taken []delivery) {
	n = min(n, maxInFlight-q.inFlight)
	// A message that comes back at once goes to the end.
	for range q.visible.length {
		if len(taken) >= n {
			break
		}
		m := q.visible.front
		if dead != nil && int(m.tries) >= q.settings.redrive.max {
			q.remove(m)
			m.deadLetterSource = arn
			dead.add(m, 0, now)
			continue
		}
		q.lift(m)
		m.received++
		m.tries++
		m.lastReceived = at(now)
		if m.firstReceived == 0 {
			m.firstReceived = m.lastReceived
		}
		taken = append(taken, delivery{*m, q.handle(m)})
		if again() {
			q.place(m, 0, now)
			continue
		}
		q.place(m, visibility, now)
	}
	return taken
}

// handle returns the receipt handle of a message's newest receive.
func (q *queue) handle(m *message) string {
	var b [36]byte
	copy(b[:], q.id[:])
	copy(b[16:], m.id[:])
	binary.BigEndian.PutUint32(b[32:], m.received)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// find returns the message of any receipt handle that was ever given out, or nil if the
// message is gone; and whether the handle is the newest.
func (q *queue) find(handle string) (m *message, newest bool, err *protocol.Error) {
	if handle == "" {
		return nil, false, missing("ReceiptHandle")
	}
	b, decodeErr := base64.RawURLEncoding.DecodeString(handle)
	if decodeErr != nil || len(b) != 36 || uuid.UUID(b[:16]) != q.id {
		return nil, false, &protocol.Error{
			Code:    "ReceiptHandleIsInvalid",
			Message: fmt.Sprintf("the input receipt handle %q is not a valid receipt handle of queue %s", handle, q.name),
		}
	}
	m = q.messages[uuid.UUID(b[16:32])]
	return m, m != nil && m.received == binary.BigEndian.Uint32(b[32:]), nil
}

// changeVisibility hides a message for a number of seconds from now; 0 makes it visible.
func (q *queue) changeVisibility(handle string, visibility *int, now time.Time) *protocol.Error {
	if visibility == nil {
		return missing("VisibilityTimeout")
	}
	m, newest, err := q.find(handle)
	if err := first(err, within("VisibilityTimeout", visibility, 0, maxVisibility)); err != nil {
		return err
	}
	if m == nil {
		return invalidParameter(
			"value %s for parameter ReceiptHandle is invalid: the message does not exist or is not available for visibility timeout change",
			handle,
		)
	}
	if !newest || m.visible {
		return &protocol.Error{Code: "MessageNotInflight", Message: "the message referred to is not in flight by this receipt handle"}
	}
	hiddenFor := seconds(*visibility)
	if at(now.Add(hiddenFor)) > m.lastReceived+instant(seconds(maxVisibility)) {
		return invalidParameter(
			"value %d for parameter VisibilityTimeout is invalid: total VisibilityTimeout for the message is beyond the limit [%d seconds]",
			*visibility,
			maxVisibility,
		)
	}
	q.lift(m)
	q.place(m, hiddenFor, now)
	return nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
