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

// queue is one standard queue. The Service's lock guards it.
type queue struct {
	// id is part of receipt handles: those of another queue, or of a deleted
	// one of the same name, are not valid here.
	id                        uuid.UUID
	name                      string
	created, modified, purged time.Time
	settings                  settings
	tags                      map[string]string
	policy                    *iam.Policy // of settings.policy

	messages map[uuid.UUID]*message
	visible  line    // the longest visible first
	hidden   ordered // by when it becomes visible
	aging    ordered // every message, by when it was sent
	inFlight int     // how many of the hidden ones are
	waiting  []*waiter
	history  []past // the oldest first
}

// settings are the attributes that can be set; times in seconds, as AWS has
// them. They compare by ==, on which CreateQueue relies.
type settings struct {
	delay, visibility, retention, wait, maxSize int
	redrive                                     redrive
	// sse is kept and not acted upon.
	policy, redriveAllow, sse string
}

// redrive moves messages after max receives; none if target, a queue name, is
// empty.
type redrive struct {
	target string
	max    int
}

// defaultSettings are AWS's:
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

// add takes in a message that is new to this queue.
func (q *queue) add(m *message, delay time.Duration, now time.Time) {
	q.messages[m.id] = m
	m.tries = 0
	heap.Push(&q.aging, m)
	q.place(m, delay, now)
}

// place shows or hides a message that is in neither state.
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
			return // nothing to see sooner than before
		}
	}
	q.wake()
}

// lift takes a message out of the visible or the hidden ones.
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

// delivery is a message as a receive found it.
type delivery struct {
	message
	handle string
}

// receive takes up to n visible messages, in no guaranteed order, and hides
// them, except those that are to be delivered again. Messages that reached their
// limit of receives move to dead, if it is not nil.
func (q *queue) receive(n int, visibility time.Duration, dead *queue, arn string, again func() bool, now time.Time) (taken []delivery) {
	n = min(n, maxInFlight-q.inFlight)
	// What comes back at once is behind the others.
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

// handle is the receipt handle of a message's newest receive.
func (q *queue) handle(m *message) string {
	var b [36]byte
	copy(b[:], q.id[:])
	copy(b[16:], m.id[:])
	binary.BigEndian.PutUint32(b[32:], m.received)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// find returns the message that a receipt handle names, any that was ever
// given out, or nil if it is gone; and whether the handle is the newest.
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

// changeVisibility hides a message for that many seconds from now; 0 hands it
// back.
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
