// Package trace reads the traces that the producer replays: how many messages to send
// when.
//
// A line is an interval, `seconds,messages`: the messages are spread evenly over the
// seconds. With 0 seconds all come at once, with 0 messages none comes. A # begins a
// comment. After the last line the trace starts over.
package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limits of a line: without them a typing error could cause an endless silence.
const (
	maxSeconds  = 7 * 24 * 3600
	maxMessages = 1_000_000_000
)

// Interval is one line: Messages spread over Seconds.
type Interval struct{ Seconds, Messages int }

// Trace has the lines of a file, in order. Parse rejects one without messages or without
// duration.
type Trace []Interval

// Load reads a trace from a file.
func Load(file string) (Trace, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(file, f)
}

// Parse reads a trace; errors call it name.
func Parse(name string, r io.Reader) (Trace, error) {
	var t Trace
	lines := bufio.NewScanner(r)
	number := 0
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		interval, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		t = append(t, interval)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: the line is too long: write seconds,messages, such as 60,250", name, number+1)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if t.Messages() == 0 {
		return nil, fmt.Errorf("%s: no line has a message: write one such as 60,250, which is 250 messages in 60 seconds", name)
	}
	if t.Duration() == 0 {
		return nil, fmt.Errorf("%s: every line has 0 seconds, so it would start over without end: add the silence after it, such as 60,0", name)
	}
	return t, nil
}

func parseLine(text string) (Interval, error) {
	seconds, messages, ok := strings.Cut(text, ",")
	if !ok {
		return Interval{}, fmt.Errorf("%q: write seconds,messages, such as 60,250", text)
	}
	s, err := number("seconds", seconds, maxSeconds)
	if err != nil {
		return Interval{}, err
	}
	m, err := number("messages", messages, maxMessages)
	if err != nil {
		return Interval{}, err
	}
	return Interval{Seconds: s, Messages: m}, nil
}

func number(what, text string, limit int) (int, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("%s %q: must be a whole number from 0 to %d", what, text, limit)
	}
	return n, nil
}

// Messages returns the number of messages in one replay.
func (t Trace) Messages() (n int) {
	for _, interval := range t {
		n += interval.Messages
	}
	return n
}

// Duration returns the duration of one replay.
func (t Trace) Duration() (d time.Duration) {
	for _, interval := range t {
		d += interval.duration()
	}
	return d
}

func (i Interval) duration() time.Duration { return time.Duration(i.Seconds) * time.Second }

// Cursor iterates over the messages of a trace, which it replays endlessly.
type Cursor struct {
	trace    Trace
	interval int           // index in trace
	begins   time.Duration // start of the interval, since the first replay's start
	message  int           // index of the next message in the interval
}

// Cursor returns a cursor before the first message.
func (t Trace) Cursor() *Cursor { return &Cursor{trace: t} }

// Next returns when the next message is due, since the first replay's start.
func (c *Cursor) Next() time.Duration {
	for c.message >= c.trace[c.interval].Messages {
		c.begins += c.trace[c.interval].duration()
		c.interval = (c.interval + 1) % len(c.trace)
		c.message = 0
	}
	now := c.trace[c.interval]
	part := float64(c.message) / float64(now.Messages)
	c.message++
	return c.begins + time.Duration(part*float64(now.duration()))
}
