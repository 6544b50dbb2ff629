package report

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// Layout is the form of the bucket's keys; the date is the event's own.
	Layout = "<prefix>/event_type=<type>/dt=YYYY_MM_DD/<request_id>.json"
	// ReasonAttribute is the message attribute with the consumer's reason for a
	// quarantine.
	ReasonAttribute = "quarantine_reason"
	// named is the largest number of ids in a reason.
	named = 5
)

// Verdict is the demo's result, with the numbers behind it. Times are in seconds since
// the burst was asked for; -1 for what did not happen.
type Verdict struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"`
	// Note says what was not demanded, if anything.
	Note string `json:"note"`

	// For the burst: the number of messages sent, and of request_ids that are good, bad
	// and found.
	Produced    int `json:"produced"`
	Good        int `json:"good"`
	Bad         int `json:"bad"`
	Stored      int `json:"stored"`
	Quarantined int `json:"quarantined"`
	// DuplicatesFolded counts the duplicate messages whose event is stored once.
	DuplicatesFolded int `json:"duplicatesFolded"`
	// SteadyGood counts the good messages that the steady producer sent at the same time;
	// they are judged, too.
	SteadyGood int `json:"steadyGood"`

	Faults

	PeakBacklog int `json:"peakBacklog"`
	// PeakReplicas is the most consumers that were ready, not merely wanted.
	PeakReplicas int32   `json:"peakReplicas"`
	FirstScaleUp float64 `json:"firstScaleUp"`
	TimeToPeak   float64 `json:"timeToPeak"`
	TimeToDrain  float64 `json:"timeToDrain"`
}

// Faults lists the messages with a fault, by request_id or key.
type Faults struct {
	// Lost are good messages that are not in the bucket. Unexpected are stored messages
	// that are bad, or that nobody sent. NotQuarantined are bad messages that are not in
	// the dead-letter queue, WronglyQuarantined other messages that are.
	Lost               []string `json:"lost"`
	Unexpected         []string `json:"unexpected"`
	NotQuarantined     []string `json:"notQuarantined"`
	WronglyQuarantined []string `json:"wronglyQuarantined"`
	// Misplaced are keys that are wrong for their events. Repeated are stored under more
	// than one key. Altered have another body than was sent.
	Misplaced []string `json:"misplaced"`
	Repeated  []string `json:"repeated"`
	Altered   []string `json:"altered"`
	// Redriven were moved to the dead-letter queue by SQS itself, Unexplained by a
	// consumer that gave no reason.
	Redriven    []string `json:"redriven"`
	Unexplained []string `json:"unexplained"`
}

// Measure records what samples show.
func (v *Verdict) Measure(samples []Sample) {
	if len(samples) == 0 {
		return
	}
	start := samples[0].Desired
	for _, s := range samples {
		v.PeakBacklog = max(v.PeakBacklog, s.Backlog())
		if s.Desired > start && v.FirstScaleUp < 0 {
			v.FirstScaleUp = s.Seconds
		}
		if s.Ready > v.PeakReplicas {
			v.PeakReplicas, v.TimeToPeak = s.Ready, s.Seconds
		}
	}
}

// fault is one kind of fault.
type fault struct {
	// name is the name of its figure.
	name string
	ids  *[]string
	// one and many are its texts for one id and for several.
	one, many string
}

func (v *Verdict) faults() []fault {
	return []fault{
		{"lost", &v.Lost, "good message is lost", "good messages are lost"},
		{"unexpected", &v.Unexpected, "stored event is bad or was never sent", "stored events are bad or were never sent"},
		{"at a wrong key", &v.Misplaced, "event is not stored at " + Layout, "events are not stored at " + Layout},
		{"stored twice", &v.Repeated, "event is stored at more than one key", "events are stored at more than one key"},
		{
			"altered", &v.Altered, "message is not stored or dead-lettered as it was sent",
			"messages are not stored or dead-lettered as they were sent",
		},
		{
			"missing from the DLQ", &v.NotQuarantined, "bad message is not in the dead-letter queue",
			"bad messages are not in the dead-letter queue",
		},
		{"wrongly in the DLQ", &v.WronglyQuarantined, "dead-lettered message is not a bad one", "dead-lettered messages are not bad ones"},
		{
			"redriven by SQS", &v.Redriven, "message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer",
			"messages were dead-lettered by SQS after maxReceiveCount receives, not by a consumer",
		},
		{
			"without a reason", &v.Unexplained, "dead-lettered message has no " + ReasonAttribute,
			"dead-lettered messages have no " + ReasonAttribute,
		},
	}
}

// Complain sorts the faults and adds a reason for each.
func (v *Verdict) Complain(demand int32) {
	for _, f := range v.faults() {
		// report.json must have a list, not null.
		ids := append([]string{}, *f.ids...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
		*f.ids = ids
		switch n := len(ids); {
		case n == 1:
			v.Fail(fmt.Sprintf("1 %s: %s", f.one, ids[0]))
		case n > 1:
			v.Fail(fmt.Sprintf("%d %s, such as %s", n, f.many, strings.Join(ids[:min(named, n)], ", ")))
		}
	}
	if v.PeakReplicas < demand {
		v.Fail(fmt.Sprintf("it scaled to %d ready consumers, at least %d were expected", v.PeakReplicas, demand))
	}
}

// Fail adds a reason.
func (v *Verdict) Fail(reason string) {
	v.OK = false
	v.Reasons = append(v.Reasons, reason)
}

// figure is a row of a table.
type figure struct{ Name, Value string }

func (v Verdict) figures() []figure {
	figures := []figure{
		{"produced", fmt.Sprintf("%d (%d good, %d bad)", v.Produced, v.Good, v.Bad)},
		{"stored", fmt.Sprint(v.Stored)},
		{"quarantined", fmt.Sprint(v.Quarantined)},
		{"duplicates folded", fmt.Sprint(v.DuplicatesFolded)},
		{"beside the burst", fmt.Sprintf("%d good messages of the steady producer", v.SteadyGood)},
	}
	for _, f := range v.faults() {
		figures = append(figures, figure{f.name, fmt.Sprint(len(*f.ids))})
	}
	return append(figures,
		figure{"peak backlog", fmt.Sprint(v.PeakBacklog)},
		figure{"first scale-up", when(v.FirstScaleUp)},
		figure{"peak replicas", fmt.Sprintf("%d %s", v.PeakReplicas, when(v.TimeToPeak))},
		figure{"drained", when(v.TimeToDrain)},
	)
}

// String returns the verdict as text for people.
func (v Verdict) String() string {
	var b strings.Builder
	b.WriteString("\n")
	for _, f := range v.figures() {
		fmt.Fprintf(&b, "%-20s  %s\n", f.Name, f.Value)
	}
	if v.Note != "" {
		fmt.Fprintf(&b, "note: %s\n", v.Note)
	}
	for _, reason := range v.Reasons {
		fmt.Fprintf(&b, "FAILED: %s\n", reason)
	}
	return b.String()
}
