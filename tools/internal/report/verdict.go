package report

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// Layout is that of the bucket; the date is the event's own.
	Layout = "<prefix>/event_type=<type>/dt=YYYY_MM_DD/<request_id>.json"
	// ReasonAttribute is where the consumer says why it quarantines.
	ReasonAttribute = "quarantine_reason"
	// named bounds how many ids a reason names.
	named = 5
)

// Verdict is the demo's result, and what it rests on. Times are seconds since the burst was asked
// for; they are -1 for what did not happen.
type Verdict struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"`
	// Note says what was not demanded, if anything.
	Note string `json:"note"`

	// Of the burst: messages sent, and request_ids good, bad and found.
	Produced    int `json:"produced"`
	Good        int `json:"good"`
	Bad         int `json:"bad"`
	Stored      int `json:"stored"`
	Quarantined int `json:"quarantined"`
	// DuplicatesFolded are messages whose event is stored, once.
	DuplicatesFolded int `json:"duplicatesFolded"`
	// SteadyGood are good messages of the steady producer that went through
	// beside the burst, and are judged too.
	SteadyGood int `json:"steadyGood"`

	Faults

	PeakBacklog int `json:"peakBacklog"`
	// PeakReplicas counts consumers that were ready, not merely wanted.
	PeakReplicas int32   `json:"peakReplicas"`
	FirstScaleUp float64 `json:"firstScaleUp"`
	TimeToPeak   float64 `json:"timeToPeak"`
	TimeToDrain  float64 `json:"timeToDrain"`
}

// Faults are the messages with which something is wrong, by request_id or key.
type Faults struct {
	// Lost are good ones that are not in the bucket, Unexpected stored ones
	// that are bad or that nobody sent, NotQuarantined bad ones that are not in
	// the dead-letter queue, WronglyQuarantined others that are.
	Lost               []string `json:"lost"`
	Unexpected         []string `json:"unexpected"`
	NotQuarantined     []string `json:"notQuarantined"`
	WronglyQuarantined []string `json:"wronglyQuarantined"`
	// Misplaced are keys at which their events do not belong, Repeated are
	// stored under more than one key, Altered stored or dead-lettered with
	// another body than was sent.
	Misplaced []string `json:"misplaced"`
	Repeated  []string `json:"repeated"`
	Altered   []string `json:"altered"`
	// Redriven are in the dead-letter queue by SQS's own doing, Unexplained by
	// a consumer's that did not say why.
	Redriven    []string `json:"redriven"`
	Unexplained []string `json:"unexplained"`
}

// Measure takes down what samples show.
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

// fault is one way in which messages went wrong.
type fault struct {
	// name is the figure's.
	name string
	ids  *[]string
	// one and many say it of one id and of several.
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

// Complain puts the faults in order and makes reasons of them.
func (v *Verdict) Complain(demand int32) {
	for _, f := range v.faults() {
		// Never null, in report.json.
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

// figure is a line of a table.
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

// String is the verdict as a person reads it.
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
