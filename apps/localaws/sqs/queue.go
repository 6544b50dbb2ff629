package sqs

import (
	"container/heap"
	"container/list"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// queue is one standard queue. The Server's lock guards it.
type queue struct {
	// id is part of receipt handles: those of another queue, or of a deleted
	// one of the same name, are not valid here.
	name, id                  string
	created, modified, purged time.Time
	settings                  settings
	tags                      map[string]string

	messages map[string]*message // by id
	visible  list.List           // of *message, the longest visible first
	hidden   hiddenHeap
	inFlight int       // how many of the hidden ones are
	oldest   time.Time // no message was sent before
	wake     chan struct{}
	history  []past // the oldest first
}

// settings are the attributes that can be set; times in seconds, as AWS has
// them. They compare by ==, on which CreateQueue relies.
type settings struct {
	delay, visibility, retention, wait, maxSize int
	redrive                                     redrive
	// policy, redriveAllow and sse are kept and not acted upon.
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
	return &queue{
		name: name, id: uuid.NewString(), created: now, modified: now, settings: s,
		tags: map[string]string{}, messages: map[string]*message{}, wake: make(chan struct{}),
	}
}

// settle lets time do its work: everything else takes for granted that it was
// called for now.
func (q *queue) settle(now time.Time) {
	q.expire(now)
	for len(q.hidden) > 0 && !q.hidden[0].due.After(now) {
		q.show(q.hidden[0])
	}
	q.remember(now)
}

// expire drops what is older than the retention period. It looks at all
// messages only when one of them may be.
func (q *queue) expire(now time.Time) {
	limit := now.Add(-seconds(q.settings.retention))
	if len(q.messages) == 0 || q.oldest.After(limit) {
		return
	}
	q.oldest = now
	for _, m := range q.messages {
		if !m.sent.After(limit) {
			q.remove(m)
		} else if m.sent.Before(q.oldest) {
			q.oldest = m.sent
		}
	}
}

// add takes in a message that is new to this queue.
func (q *queue) add(m *message, delay time.Duration, now time.Time) {
	if len(q.messages) == 0 || m.sent.Before(q.oldest) {
		q.oldest = m.sent
	}
	q.messages[m.id] = m
	m.tries = 0
	q.place(m, delay, now)
}

// place shows or hides a message that is in neither state.
func (q *queue) place(m *message, hiddenFor time.Duration, now time.Time) {
	if hiddenFor <= 0 {
		m.place = q.visible.PushBack(m)
	} else {
		m.due = now.Add(hiddenFor)
		heap.Push(&q.hidden, m)
		if m.inFlight() {
			q.inFlight++
		}
		if m.index > 0 {
			return // nothing to see sooner than before
		}
	}
	q.notify()
}

// lift takes a message out of its state.
func (q *queue) lift(m *message) {
	if m.place != nil {
		q.visible.Remove(m.place)
		m.place = nil
		return
	}
	if m.inFlight() {
		q.inFlight--
	}
	heap.Remove(&q.hidden, m.index)
}

func (q *queue) show(m *message) {
	q.lift(m)
	m.place = q.visible.PushBack(m)
}

func (q *queue) remove(m *message) {
	q.lift(m)
	delete(q.messages, m.id)
}

func (q *queue) clear() {
	q.messages, q.hidden, q.inFlight = map[string]*message{}, nil, 0
	q.visible.Init()
}

// notify wakes long polls: they look again, and may wait for another time.
func (q *queue) notify() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// receive takes up to n visible messages, in no promised order, and hides
// them. Those that had their tries go to dead, if it is not nil.
func (q *queue) receive(n int, visibility time.Duration, dead *queue, arn string, now time.Time) (taken []*message) {
	n = min(n, maxInFlight-q.inFlight)
	// With a visibility of 0 a message comes back at once, behind the others.
	for range q.visible.Len() {
		if len(taken) >= n {
			break
		}
		m := q.visible.Front().Value.(*message)
		if dead != nil && m.tries >= q.settings.redrive.max {
			q.remove(m)
			m.handle, m.deadLetterSource = "", arn
			dead.add(m, 0, now)
			continue
		}
		q.lift(m)
		m.received++
		m.tries++
		if m.firstReceived.IsZero() {
			m.firstReceived = now
		}
		m.lastReceived = now
		m.handle = q.newHandle(m)
		q.place(m, visibility, now)
		taken = append(taken, m)
	}
	return taken
}

func (q *queue) newHandle(m *message) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.id + " " + m.id + " " + strconv.Itoa(m.received) + " " + uuid.NewString()))
}

// find returns the message that a receipt handle names, any that was ever
// given out, or nil if it is gone.
func (q *queue) find(handle string) (*message, *protocol.Error) {
	if handle == "" {
		return nil, missing("ReceiptHandle")
	}
	text, err := base64.RawURLEncoding.DecodeString(handle)
	parts := strings.Split(string(text), " ")
	if err != nil || len(parts) != 4 || parts[0] != q.id {
		return nil, &protocol.Error{Code: "ReceiptHandleIsInvalid", Message: fmt.Sprintf("the input receipt handle %q is not a valid receipt handle of queue %s", handle, q.name)}
	}
	return q.messages[parts[1]], nil
}

// changeVisibility hides a message for that many seconds from now; 0 hands it
// back.
func (q *queue) changeVisibility(handle string, visibility *int, now time.Time) *protocol.Error {
	if visibility == nil {
		return missing("VisibilityTimeout")
	}
	m, err := q.find(handle)
	if err := first(err, within("VisibilityTimeout", visibility, 0, maxVisibility)); err != nil {
		return err
	}
	if m == nil {
		return invalidParameter("value %s for parameter ReceiptHandle is invalid: the message does not exist or is not available for visibility timeout change", handle)
	}
	if m.handle != handle || !m.inFlight() {
		return &protocol.Error{Code: "MessageNotInflight", Message: "the message referred to is not in flight by this receipt handle"}
	}
	hiddenFor := seconds(*visibility)
	if now.Add(hiddenFor).After(m.lastReceived.Add(seconds(maxVisibility))) {
		return invalidParameter("value %d for parameter VisibilityTimeout is invalid: total VisibilityTimeout for the message is beyond the limit [%d seconds]", *visibility, maxVisibility)
	}
	q.lift(m)
	q.place(m, hiddenFor, now)
	return nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// hiddenHeap has the message that is due next first.
type hiddenHeap []*message

func (h hiddenHeap) Len() int           { return len(h) }
func (h hiddenHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h hiddenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *hiddenHeap) Push(x any) {
	m := x.(*message)
	m.index = len(*h)
	*h = append(*h, m)
}

// Pop is heap.Interface's.
func (h *hiddenHeap) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return m
}
