package localaws

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// queue is one standard queue. A message is in exactly one of three states,
// told by when it becomes visible and how often it was received: delayed,
// visible, in flight.
type queue struct {
	name      string
	created   time.Time
	mu        sync.Mutex
	settings  settings
	tags      map[string]string
	messages  []*message
	wake      chan struct{} // closed and replaced when something may be visible
	deadQueue *queue        // where redrive moves messages, nil without
}

// settings are a queue's attributes that are set; durations in seconds, as
// AWS has them.
type settings struct {
	delay, visibility, retention, wait, maxSize int
	redrive                                     *Redrive
	redrivePolicy                               string
}

type message struct {
	id, body   string
	attributes map[string]messageAttribute
	sent       time.Time
	visibleAt  time.Time
	firstSeen  time.Time
	received   int
	handle     string
}

type messageAttribute struct {
	DataType    string `json:"DataType"`
	StringValue string `json:"StringValue,omitempty"`
	BinaryValue []byte `json:"BinaryValue,omitempty"`
}

func newQueue(name string, s settings, now time.Time) *queue {
	return &queue{name: name, created: now, settings: s, tags: map[string]string{}, wake: make(chan struct{})}
}

// counts are the three Approximate* numbers; here they are exact.
func (q *queue) counts(now time.Time) (visible, inFlight, delayed int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	for _, m := range q.messages {
		switch {
		case !m.visibleAt.After(now):
			visible++
		case m.received > 0 && m.handle != "":
			inFlight++
		default:
			delayed++
		}
	}
	return visible, inFlight, delayed
}

func (q *queue) send(m *message, delay int, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m.sent = now
	m.visibleAt = now.Add(seconds(delay))
	q.messages = append(q.messages, m)
	q.notify()
}

// notify wakes long polls; the caller holds the lock.
func (q *queue) notify() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// receive takes up to n visible messages, in no promised order, and hides them
// for visibility seconds. next says when another one may become visible.
func (q *queue) receive(n, visibility int, now time.Time) (taken []message, wake <-chan struct{}, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	q.redrive(now)
	for _, m := range q.messages {
		if m.visibleAt.After(now) {
			if next.IsZero() || m.visibleAt.Before(next) {
				next = m.visibleAt
			}
			continue
		}
		if len(taken) == n {
			break
		}
		m.received++
		if m.firstSeen.IsZero() {
			m.firstSeen = now
		}
		m.handle = m.id + ":" + strconv.Itoa(m.received) + ":" + strconv.FormatUint(rand.Uint64(), 36)
		m.visibleAt = now.Add(seconds(visibility))
		taken = append(taken, *m)
	}
	return taken, q.wake, next
}

// redrive moves messages that were received maxReceiveCount times and came
// back to the dead-letter queue, with their sent time kept, as AWS does.
func (q *queue) redrive(now time.Time) {
	if q.deadQueue == nil || q.settings.redrive == nil {
		return
	}
	kept := q.messages[:0]
	for _, m := range q.messages {
		if m.received < q.settings.redrive.MaxReceiveCount || m.visibleAt.After(now) {
			kept = append(kept, m)
			continue
		}
		m.handle = ""
		q.deadQueue.mu.Lock()
		q.deadQueue.messages = append(q.deadQueue.messages, m)
		q.deadQueue.notify()
		q.deadQueue.mu.Unlock()
	}
	q.messages = kept
}

// expire drops what is older than the retention period.
func (q *queue) expire(now time.Time) {
	kept := q.messages[:0]
	for _, m := range q.messages {
		if now.Sub(m.sent) < seconds(q.settings.retention) {
			kept = append(kept, m)
		}
	}
	clear(q.messages[len(kept):])
	q.messages = kept
}

// find returns the index of the message that a receipt handle names, or -1 if
// it is gone. Any handle that was ever given out names its message.
func (q *queue) find(handle string) int {
	id, _, _ := strings.Cut(handle, ":")
	for i, m := range q.messages {
		if m.id == id {
			return i
		}
	}
	return -1
}

// delete removes the message of a handle. Deleting one that is gone succeeds.
func (q *queue) delete(handle string) *apiError {
	if !validHandle(handle) {
		return invalidHandle(handle)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := q.find(handle); i >= 0 {
		q.messages = append(q.messages[:i], q.messages[i+1:]...)
	}
	return nil
}

// changeVisibility hides a message for that many seconds from now; 0 hands it
// back. It must be in flight, under its newest handle.
func (q *queue) changeVisibility(handle string, visibility int, now time.Time) *apiError {
	if !validHandle(handle) {
		return invalidHandle(handle)
	}
	if visibility < 0 || visibility > maxVisibility {
		return invalid("VisibilityTimeout", visibility, 0, maxVisibility)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.find(handle)
	if i < 0 {
		return &apiError{code: "InvalidParameterValue", message: "the message does not exist or is not available for visibility timeout change"}
	}
	m := q.messages[i]
	if m.handle != handle || !m.visibleAt.After(now) {
		return &apiError{code: "MessageNotInflight", message: "the message referred to is not in flight"}
	}
	m.visibleAt = now.Add(seconds(visibility))
	q.notify()
	return nil
}

func validHandle(handle string) bool { return strings.Count(handle, ":") == 2 }

func invalidHandle(handle string) *apiError {
	return &apiError{code: "ReceiptHandleIsInvalid", message: fmt.Sprintf("the receipt handle %q is not valid", handle)}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func md5Hex(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}
