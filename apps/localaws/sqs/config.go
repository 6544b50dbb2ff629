package sqs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Queue declares a queue. A field that is not set has AWS's default. Times are in
// seconds.
type Queue struct {
	Name                   string   `json:"name"`
	DelaySeconds           *int     `json:"delaySeconds,omitempty"`
	VisibilityTimeout      *int     `json:"visibilityTimeout,omitempty"`
	MessageRetentionPeriod *int     `json:"messageRetentionPeriod,omitempty"`
	Redrive                *Redrive `json:"redrive,omitempty"`
}

// Redrive moves a message to another queue of the same configuration after
// MaxReceiveCount receives.
type Redrive struct {
	DeadLetterQueue string `json:"deadLetterQueue"`
	MaxReceiveCount int    `json:"maxReceiveCount"`
}

// findings are problems, each with the name of its field.
type findings []error

func (f *findings) add(field, format string, args ...any) {
	*f = append(*f, fmt.Errorf(field+": "+format, args...))
}

// Problems checks queues, as the field "queues" of a configuration. Each error names its
// field.
func Problems(declared []Queue) []error {
	var found findings
	queues := map[string]int{}
	for i, q := range declared {
		if !queueName.MatchString(q.Name) {
			found.add(queueField(i, "name"), "%q: must be %s", q.Name, queueNameRule)
		}
		if j, twice := queues[q.Name]; twice {
			found.add(queueField(i, "name"), "%s: is queues[%d] too", q.Name, j)
		}
		queues[q.Name] = i
	}
	for i, q := range declared {
		q.checkNumbers(i, &found)
		if q.Redrive != nil {
			q.Redrive.check(i, queues, &found)
		}
	}
	return found
}

// checkNumbers checks the numbers of queues[i].
func (q Queue) checkNumbers(i int, found *findings) {
	numbers := q.numbers()
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		value, bounds := numbers[name], numeric[name]
		if value != nil && (*value < bounds.low || *value > bounds.high) {
			found.add(queueField(i, strings.ToLower(name[:1])+name[1:]), "%d: must be from %d to %d", *value, bounds.low, bounds.high)
		}
	}
}

// check checks the redrive of queues[i], given the index of each name.
func (r Redrive) check(i int, queues map[string]int, found *findings) {
	if j, ok := queues[r.DeadLetterQueue]; !ok || j == i {
		found.add(queueField(i, "redrive.deadLetterQueue"), "%q: must be another queue of this configuration", r.DeadLetterQueue)
	}
	if n := r.MaxReceiveCount; n < 1 || n > maxReceives {
		found.add(queueField(i, "redrive.maxReceiveCount"), "%d: must be from 1 to %d", n, maxReceives)
	}
}

func queueField(i int, name string) string { return fmt.Sprintf("queues[%d].%s", i, name) }

// numbers returns the fields by the names of their attributes.
func (q Queue) numbers() map[string]*int {
	return map[string]*int{
		"DelaySeconds": q.DelaySeconds, "VisibilityTimeout": q.VisibilityTimeout, "MessageRetentionPeriod": q.MessageRetentionPeriod,
	}
}

func (q Queue) settings() settings {
	s := defaultSettings()
	for name, value := range q.numbers() {
		if value != nil {
			*numeric[name].field(&s) = *value
		}
	}
	if q.Redrive != nil {
		s.redrive = redrive{q.Redrive.DeadLetterQueue, q.Redrive.MaxReceiveCount}
	}
	return s
}
