package demo

import (
	"fmt"
	"slices"
	"strings"
)

// Produced is one message that SQS acknowledged, as the producer logs it.
type Produced struct {
	RequestID string `json:"request_id"`
	Bad       bool   `json:"bad"`
	Duplicate bool   `json:"duplicate"`
}

// Sample is the system at one moment.
type Sample struct {
	// Seconds since the burst was asked for.
	Seconds  float64 `json:"seconds"`
	Visible  int     `json:"visible"`
	InFlight int     `json:"inFlight"`
	Delayed  int     `json:"delayed"`
	// Desired and Current are the HPA's, Ready the Deployment's.
	Desired int32 `json:"desired"`
	Current int32 `json:"current"`
	Ready   int32 `json:"ready"`
	// Stored and DeadLettered count since the start of the run.
	Stored       int `json:"stored"`
	DeadLettered int `json:"deadLettered"`
}

// backlog is what KEDA counts: delayed messages are not due yet.
func (s Sample) backlog() int { return s.Visible + s.InFlight }

// atMinimum leaves Current out: the HPA writes it a sync late.
func (s Sample) atMinimum(minimum int32) bool {
	return max(s.Desired, s.Ready) <= minimum
}

// Evidence is what was sent and what was found.
type Evidence struct {
	// Burst and Steady must be at their end. Others, of the steady producer's,
	// may be.
	Burst, Steady, Others []Produced
	// The request_ids in the bucket and in the dead-letter queue, at the start
	// of the run and now.
	StoredBefore, DeadBefore map[string]bool
	Stored, Dead             map[string]bool
}

// Verdict is the demo's result. Times are seconds since the burst was asked
// for; they are -1 for what did not happen.
type Verdict struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"`

	// Of the burst: messages sent, and request_ids good, bad and found.
	Produced         int `json:"produced"`
	Good             int `json:"good"`
	Bad              int `json:"bad"`
	Stored           int `json:"stored"`
	Quarantined      int `json:"quarantined"`
	DuplicatesFolded int `json:"duplicatesFolded"`
	// SteadyGood are good messages of the steady producer that went through
	// beside the burst, and are judged too.
	SteadyGood int `json:"steadyGood"`

	// Lost are good ones that are not in the bucket, Unexpected stored ones
	// that are bad or that nobody sent, NotQuarantined bad ones that are not in
	// the dead-letter queue, WronglyQuarantined others that are.
	Lost               []string `json:"lost"`
	Unexpected         []string `json:"unexpected"`
	NotQuarantined     []string `json:"notQuarantined"`
	WronglyQuarantined []string `json:"wronglyQuarantined"`

	PeakBacklog int `json:"peakBacklog"`
	// PeakReplicas counts consumers that were ready, not merely wanted.
	PeakReplicas int32    `json:"peakReplicas"`
	FirstScaleUp float64  `json:"firstScaleUp"`
	TimeToPeak   float64  `json:"timeToPeak"`
	TimeToDrain  float64  `json:"timeToDrain"`
	Samples      []Sample `json:"samples"`
}

// judge holds the evidence against what was sent.
func judge(e Evidence, samples []Sample, drained float64, burst int) Verdict {
	v := Verdict{Samples: samples, Produced: len(e.Burst), FirstScaleUp: -1, TimeToPeak: -1, TimeToDrain: drained, Reasons: []string{}}
	v.count(e)
	required := slices.Concat(e.Burst, e.Steady)
	v.Lost = absent(required, e.Stored, false)
	v.NotQuarantined = absent(required, e.Dead, true)
	good, bad := map[string]bool{}, map[string]bool{}
	for _, m := range slices.Concat(required, e.Others) {
		if m.Bad {
			bad[m.RequestID] = true
		} else {
			good[m.RequestID] = true
		}
	}
	v.Unexpected = strangers(e.Stored, good, e.StoredBefore)
	v.WronglyQuarantined = strangers(e.Dead, bad, e.DeadBefore)
	v.measure()
	v.complain(burst)
	v.OK = len(v.Reasons) == 0
	return v
}

// count counts the burst's request_ids.
func (v *Verdict) count(e Evidence) {
	seen := map[string]bool{}
	for _, m := range e.Burst {
		first := !seen[m.RequestID]
		seen[m.RequestID] = true
		switch {
		case !first && !m.Bad && e.Stored[m.RequestID]:
			v.DuplicatesFolded++
		case first && m.Bad:
			v.Bad++
			if e.Dead[m.RequestID] {
				v.Quarantined++
			}
		case first:
			v.Good++
			if e.Stored[m.RequestID] {
				v.Stored++
			}
		}
	}
	for _, m := range e.Steady {
		if !seen[m.RequestID] && !m.Bad {
			v.SteadyGood++
		}
		seen[m.RequestID] = true
	}
}

// strangers are the ids of found that are neither wanted nor old, in order.
func strangers(found, wanted, old map[string]bool) []string {
	ids := []string{}
	for id := range found {
		if !wanted[id] && !old[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (v *Verdict) measure() {
	if len(v.Samples) == 0 {
		return
	}
	start := v.Samples[0].Desired
	for _, s := range v.Samples {
		v.PeakBacklog = max(v.PeakBacklog, s.backlog())
		if s.Desired > start && v.FirstScaleUp < 0 {
			v.FirstScaleUp = s.Seconds
		}
		if s.Ready > v.PeakReplicas {
			v.PeakReplicas, v.TimeToPeak = s.Ready, s.Seconds
		}
	}
}

// A burst of largeBurst and more must reach largeReplicas.
const (
	largeBurst    = 1000
	largeReplicas = 10
	smallReplicas = 2
)

func (v *Verdict) complain(burst int) {
	for _, found := range []struct {
		ids       []string
		one, many string
	}{
		{v.Lost, "good message is lost", "good messages are lost"},
		{v.Unexpected, "stored event is bad or was never sent", "stored events are bad or were never sent"},
		{v.NotQuarantined, "bad message is not in the dead-letter queue", "bad messages are not in the dead-letter queue"},
		{v.WronglyQuarantined, "dead-lettered message is not a bad one", "dead-lettered messages are not bad ones"},
	} {
		switch n := len(found.ids); {
		case n == 1:
			v.fail(fmt.Sprintf("1 %s: %s", found.one, found.ids[0]))
		case n > 1:
			v.fail(fmt.Sprintf("%d %s, such as %s", n, found.many, strings.Join(found.ids[:min(named, n)], ", ")))
		}
	}
	wanted := int32(smallReplicas)
	if burst >= largeBurst {
		wanted = largeReplicas
	}
	if v.PeakReplicas < wanted {
		v.fail(fmt.Sprintf("it scaled to %d ready consumers, at least %d were expected", v.PeakReplicas, wanted))
	}
}

// fail adds a reason.
func (v *Verdict) fail(reason string) {
	v.OK = false
	v.Reasons = append(v.Reasons, reason)
}

// figure is a line of the verdict's table.
type figure struct{ Name, Value string }

func (v Verdict) figures() []figure {
	after := func(seconds float64) string {
		if seconds < 0 {
			return "never"
		}
		return fmt.Sprintf("after %.0f s", seconds)
	}
	return []figure{
		{"produced", fmt.Sprintf("%d (%d good, %d bad)", v.Produced, v.Good, v.Bad)},
		{"stored", fmt.Sprint(v.Stored)},
		{"quarantined", fmt.Sprint(v.Quarantined)},
		{"duplicates folded", fmt.Sprint(v.DuplicatesFolded)},
		{"beside the burst", fmt.Sprintf("%d good messages of the steady producer", v.SteadyGood)},
		{"lost", fmt.Sprint(len(v.Lost))},
		{"unexpected", fmt.Sprint(len(v.Unexpected))},
		{"missing from the DLQ", fmt.Sprint(len(v.NotQuarantined))},
		{"wrongly in the DLQ", fmt.Sprint(len(v.WronglyQuarantined))},
		{"peak backlog", fmt.Sprint(v.PeakBacklog)},
		{"first scale-up", after(v.FirstScaleUp)},
		{"peak replicas", fmt.Sprintf("%d %s", v.PeakReplicas, after(v.TimeToPeak))},
		{"drained", after(v.TimeToDrain)},
	}
}

// String is the verdict as a person reads it.
func (v Verdict) String() string {
	var b strings.Builder
	b.WriteString("\n")
	for _, f := range v.figures() {
		fmt.Fprintf(&b, "%-20s  %s\n", f.Name, f.Value)
	}
	for _, reason := range v.Reasons {
		fmt.Fprintf(&b, "FAILED: %s\n", reason)
	}
	return b.String()
}
