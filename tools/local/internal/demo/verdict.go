package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Produced is one message that SQS acknowledged, as the producer logs it.
type Produced struct {
	RequestID string    `json:"request_id"`
	Type      string    `json:"event_type"`
	TS        time.Time `json:"ts"`
	Bad       bool      `json:"bad"`
	Duplicate bool      `json:"duplicate"`
	// SHA256 is that of the message's body.
	SHA256 string `json:"sha256"`
}

// Sample is the system at one moment.
type Sample struct {
	// Seconds since the burst was asked for.
	Seconds  float64 `json:"seconds"`
	Visible  int     `json:"visible"`
	InFlight int     `json:"inFlight"`
	Delayed  int     `json:"delayed"`
	// Metric is the number of messages that KEDA answered the HPA with, -1 if it
	// did not answer; Active is the ScaledObject's condition.
	Metric float64 `json:"metric"`
	Active bool    `json:"active"`
	// Desired is the HPA's, Pods and Ready are the Deployment's.
	Desired int32 `json:"desired"`
	Pods    int32 `json:"pods"`
	Ready   int32 `json:"ready"`
	// Stored and DeadLettered count since the start of the run.
	Stored       int `json:"stored"`
	DeadLettered int `json:"deadLettered"`
}

// backlog is what KEDA counts: delayed messages are not due yet.
func (s Sample) backlog() int { return s.Visible + s.InFlight }

func (s Sample) depth() int { return s.backlog() + s.Delayed }

// atMinimum reports whether no more than the minimum are wanted or ready.
func (s Sample) atMinimum(minimum int32) bool {
	return max(s.Desired, s.Ready) <= minimum
}

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

// judge says what a look found of what was sent, and holds the samples against
// what a burst of this size must do.
func judge(k *look, samples []Sample, drained float64, s scaling) Verdict {
	v := Verdict{
		Produced: k.total, FirstScaleUp: -1, TimeToPeak: -1, TimeToDrain: drained,
		Reasons: []string{}, Note: s.note(k.total),
		Faults: k.Faults,
	}
	v.Lost, v.NotQuarantined = k.missing(false), k.missing(true)
	v.count(k)
	v.measure(samples)
	v.complain(s.demand(k.total))
	v.OK = len(v.Reasons) == 0
	return v
}

// count counts request_ids.
func (v *Verdict) count(k *look) {
	for rank, m := range k.burst {
		switch {
		case m.bad:
			v.Bad++
			if k.dead[rank]&explained != 0 {
				v.Quarantined++
			}
		default:
			v.Good++
			if k.keys[rank] > 0 {
				v.Stored++
			}
			if m.twice && k.keys[rank] == 1 {
				v.DuplicatesFolded++
			}
		}
	}
	for _, m := range k.steady {
		if m.required && !m.Bad {
			v.SteadyGood++
		}
	}
}

func (v *Verdict) measure(samples []Sample) {
	if len(samples) == 0 {
		return
	}
	start := samples[0].Desired
	for _, s := range samples {
		v.PeakBacklog = max(v.PeakBacklog, s.backlog())
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
		{"at a wrong key", &v.Misplaced, "event is not stored at " + layout, "events are not stored at " + layout},
		{"stored twice", &v.Repeated, "event is stored at more than one key", "events are stored at more than one key"},
		{"altered", &v.Altered, "message is not stored or dead-lettered as it was sent", "messages are not stored or dead-lettered as they were sent"},
		{"missing from the DLQ", &v.NotQuarantined, "bad message is not in the dead-letter queue", "bad messages are not in the dead-letter queue"},
		{"wrongly in the DLQ", &v.WronglyQuarantined, "dead-lettered message is not a bad one", "dead-lettered messages are not bad ones"},
		{"redriven by SQS", &v.Redriven, "message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer", "messages were dead-lettered by SQS after maxReceiveCount receives, not by a consumer"},
		{"without a reason", &v.Unexplained, "dead-lettered message has no " + reasonAttribute, "dead-lettered messages have no " + reasonAttribute},
	}
}

// complain puts the faults in order and makes reasons of them.
func (v *Verdict) complain(demand int32) {
	for _, f := range v.faults() {
		// Never null, in report.json.
		ids := append([]string{}, *f.ids...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
		*f.ids = ids
		switch n := len(ids); {
		case n == 1:
			v.fail(fmt.Sprintf("1 %s: %s", f.one, ids[0]))
		case n > 1:
			v.fail(fmt.Sprintf("%d %s, such as %s", n, f.many, strings.Join(ids[:min(named, n)], ", ")))
		}
	}
	if v.PeakReplicas < demand {
		v.fail(fmt.Sprintf("it scaled to %d ready consumers, at least %d were expected", v.PeakReplicas, demand))
	}
}

// fail adds a reason.
func (v *Verdict) fail(reason string) {
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
