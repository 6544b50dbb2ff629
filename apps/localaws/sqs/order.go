package sqs

import (
	"slices"
	"time"
)

// instant is a time in nanoseconds since 1970; 0 means none. It takes a third of the
// space of a time.Time, and a message has several.
type instant int64

func at(t time.Time) instant { return instant(t.UnixNano()) }

func (i instant) time() time.Time { return time.Unix(0, int64(i)) }

// line is a linked list of messages.
type line struct {
	front, back *message
	length      int
}

func (l *line) push(m *message) {
	m.visible, m.before, m.behind = true, l.back, nil
	if l.back == nil {
		l.front = m
	} else {
		l.back.behind = m
	}
	l.back = m
	l.length++
}

func (l *line) remove(m *message) {
	if m.before == nil {
		l.front = m.behind
	} else {
		m.before.behind = m.behind
	}
	if m.behind == nil {
		l.back = m.before
	} else {
		m.behind.before = m.before
	}
	m.visible, m.before, m.behind = false, nil, nil
	l.length--
}

// ordered is a heap of messages by one of their times, the earliest first.
type ordered struct {
	messages []*message
	time     func(*message) instant
	place    func(*message) *int // where a message stores its index
}

func (o *ordered) first() *message {
	if len(o.messages) == 0 {
		return nil
	}
	return o.messages[0]
}

// Len implements heap.Interface.
func (o *ordered) Len() int { return len(o.messages) }

// Less implements heap.Interface.
func (o *ordered) Less(i, j int) bool { return o.time(o.messages[i]) < o.time(o.messages[j]) }

// Swap implements heap.Interface.
func (o *ordered) Swap(i, j int) {
	o.messages[i], o.messages[j] = o.messages[j], o.messages[i]
	*o.place(o.messages[i]), *o.place(o.messages[j]) = i, j
}

// Push implements heap.Interface.
func (o *ordered) Push(x any) {
	m := x.(*message)
	*o.place(m) = len(o.messages)
	o.messages = append(o.messages, m)
}

// Pop implements heap.Interface.
func (o *ordered) Pop() any {
	last := len(o.messages) - 1
	m := o.messages[last]
	o.messages[last] = nil
	o.messages = o.messages[:last]
	return m
}

// waiter is a long poll that found nothing. A change of the queue wakes its first waiter,
// which wakes the next one when it leaves, so one message does not wake all.
type waiter struct{ woken chan struct{} }

func (q *queue) wait(w *waiter) {
	if !slices.Contains(q.waiting, w) {
		q.waiting = append(q.waiting, w)
	}
}

// leave ends a wait, and wakes the waiter that is now first.
func (q *queue) leave(w *waiter) {
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.wake()
	}
}

// wake makes the first long poll look again.
func (q *queue) wake() {
	if len(q.waiting) > 0 {
		q.waiting[0].wake()
	}
}

func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it is already woken
	}
}
