package demo

import (
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Produced is one message that SQS acknowledged, as the producer logs it.
type Produced struct {
	RequestID string    `json:"request_id"`
	Type      string    `json:"event_type"`
	TS        time.Time `json:"ts"`
	Bad       bool      `json:"bad"`
	Duplicate bool      `json:"duplicate"`
	// SHA256 is the hash of the message's body.
	SHA256 string `json:"sha256"`
}

// judge counts what a look found of the messages sent, and checks that the samples show
// the scaling that a burst of this size needs.
func judge(k *look, samples []Sample, s scaling) Verdict {
	v := Verdict{
		Produced: k.total, FirstScaleUp: -1, TimeToPeak: -1, TimeToDrain: -1,
		Reasons: []string{}, Note: s.note(k.total),
		Faults: k.Faults,
	}
	v.Lost, v.NotQuarantined = k.missing(false), k.missing(true)
	if len(v.Lost)+len(v.NotQuarantined) == 0 {
		v.TimeToDrain = report.Millis(k.last)
	}
	count(&v, k)
	v.Measure(samples)
	v.Complain(s.demand(k.total))
	v.OK = len(v.Reasons) == 0
	return v
}

// count counts messages by request_id.
func count(v *Verdict, k *look) {
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

// record is the raw data of a run.
type record struct {
	started time.Time
	look    *look
	samples []Sample
	// delay is the queue's delivery delay, in seconds.
	delay       float64
	scaling     scaling
	rescales    []report.Rescale
	machine     report.Machine
	commit      string
	uncommitted bool
}

// newReport judges and measures a run.
func newReport(r record) Report {
	e := report.Evidence{
		Started: r.started, Verdict: judge(r.look, r.samples, r.scaling), First: -1, Last: -1,
		StoredAt: r.look.storedAt, Took: r.look.took, Fine: r.look.fine, Samples: r.samples, Delay: r.delay,
		Scaling: r.scaling.Scaling, Rescales: r.rescales, Machine: r.machine, Commit: r.commit, Uncommitted: r.uncommitted,
	}
	sent := r.look.sentAt(r.look.made)
	if len(sent) > 0 {
		e.First, e.Last = sent[0], sent[len(sent)-1]
	}
	e.Sent = slices.Sorted(slices.Values(slices.Concat(sent, r.look.steadyAt())))
	return report.New(e)
}
