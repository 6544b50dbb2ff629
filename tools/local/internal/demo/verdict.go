package demo

import (
	"fmt"
	"sort"
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
	Seconds                    float64
	Visible, InFlight, Delayed int
	// Replicas is what the Deployment wants, Ready what it has.
	Replicas, Ready      int32
	Stored, DeadLettered int
}

// backlog is what KEDA counts: delayed messages are not due yet.
func (s Sample) backlog() int { return s.Visible + s.InFlight }

// Evidence is what was sent and what was found.
type Evidence struct {
	Burst, Steady []Produced
	// Stored and Dead are the request_ids in the bucket and in the dead-letter
	// queue.
	Stored, Dead map[string]bool
}

// Verdict is the demo's result. Times are seconds since the burst was asked
// for; they are -1 for what did not happen.
type Verdict struct {
	OK      bool
	Reasons []string

	Produced, Good, Bad, Stored, Quarantined, DuplicatesFolded int
	// Lost are good messages of the burst that are not in the bucket,
	// Unexpected stored ones that are bad or that nobody sent,
	// NotQuarantined bad ones of the burst that are not in the dead-letter
	// queue, WronglyQuarantined others that are.
	Lost, Unexpected, NotQuarantined, WronglyQuarantined []string

	PeakBacklog                           int
	PeakReplicas                          int32
	FirstScaleUp, TimeToPeak, TimeToDrain float64
	Samples                               []Sample
}

// judge holds the evidence against what was sent.
func judge(e Evidence, samples []Sample, burst int) Verdict {
	v := Verdict{Samples: samples, Produced: len(e.Burst), FirstScaleUp: -1, TimeToPeak: -1, TimeToDrain: -1}
	good, bad := map[string]bool{}, map[string]bool{}
	mine := map[string]bool{}
	for _, m := range append(append([]Produced{}, e.Burst...), e.Steady...) {
		if m.Bad {
			bad[m.RequestID] = true
		} else {
			good[m.RequestID] = true
		}
	}
	for _, m := range e.Burst {
		first := !mine[m.RequestID]
		mine[m.RequestID] = true
		switch {
		case !first && !m.Bad:
			v.DuplicatesFolded++
		case first && m.Bad:
			v.Bad++
			v.Quarantined += keep(&v.NotQuarantined, m.RequestID, e.Dead[m.RequestID])
		case first:
			v.Good++
			v.Stored += keep(&v.Lost, m.RequestID, e.Stored[m.RequestID])
		}
	}
	for id := range e.Stored {
		if !good[id] {
			v.Unexpected = append(v.Unexpected, id)
		}
	}
	for id := range e.Dead {
		if !bad[id] {
			v.WronglyQuarantined = append(v.WronglyQuarantined, id)
		}
	}
	sort.Strings(v.Unexpected)
	sort.Strings(v.WronglyQuarantined)
	v.measure()
	v.Reasons = v.reasons(burst)
	v.OK = len(v.Reasons) == 0
	return v
}

// keep counts what is where it belongs and names what is not.
func keep(missing *[]string, id string, found bool) int {
	if found {
		return 1
	}
	*missing = append(*missing, id)
	return 0
}

func (v *Verdict) measure() {
	if len(v.Samples) == 0 {
		return
	}
	start := v.Samples[0].Replicas
	for _, s := range v.Samples {
		v.PeakBacklog = max(v.PeakBacklog, s.backlog())
		if s.Replicas > start && v.FirstScaleUp < 0 {
			v.FirstScaleUp = s.Seconds
		}
		if s.Replicas > v.PeakReplicas {
			v.PeakReplicas, v.TimeToPeak = s.Replicas, s.Seconds
		}
	}
	// Drained when the backlog fell to a fiftieth of its peak and stayed there:
	// the steady producer never lets it be empty.
	for i := len(v.Samples) - 1; i >= 0 && v.Samples[i].backlog() <= max(5, v.PeakBacklog/50); i-- {
		v.TimeToDrain = v.Samples[i].Seconds
	}
}

// large is the burst from which the demo must reach this many replicas.
const (
	largeBurst    = 1000
	largeReplicas = 10
	smallReplicas = 2
)

func (v *Verdict) reasons(burst int) []string {
	var reasons []string
	complain := func(ids []string, what string) {
		if len(ids) > 0 {
			reasons = append(reasons, fmt.Sprintf("%d %s, such as %s", len(ids), what, ids[0]))
		}
	}
	complain(v.Lost, "good messages are lost")
	complain(v.Unexpected, "stored events are bad or were never sent")
	complain(v.NotQuarantined, "bad messages are not in the dead-letter queue")
	complain(v.WronglyQuarantined, "dead-lettered messages are not bad ones")
	wanted := int32(smallReplicas)
	if burst >= largeBurst {
		wanted = largeReplicas
	}
	if v.PeakReplicas < wanted {
		reasons = append(reasons, fmt.Sprintf("it scaled to %d consumers, at least %d were expected", v.PeakReplicas, wanted))
	}
	return reasons
}

// String is the verdict as a person reads it.
func (v Verdict) String() string {
	text := fmt.Sprintf(`
produced           %d (%d good, %d bad)
stored             %d
quarantined        %d
duplicates folded  %d
lost               %d
peak backlog       %d
first scale-up     after %.0f s
peak replicas      %d after %.0f s
drained            after %.0f s
`, v.Produced, v.Good, v.Bad, v.Stored, v.Quarantined, v.DuplicatesFolded, len(v.Lost),
		v.PeakBacklog, v.FirstScaleUp, v.PeakReplicas, v.TimeToPeak, v.TimeToDrain)
	for _, reason := range v.Reasons {
		text += "FAILED: " + reason + "\n"
	}
	return text
}
