package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// count returns a number with thousands separators.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// seconds returns a duration, with a tenth of a second if that is significant.
func seconds(s float64) string {
	switch {
	case s < 0:
		return "never"
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	default:
		return fmt.Sprintf("%.0f s", s)
	}
}

// about returns a duration whose precision is a second.
func about(s float64) string {
	if s < 0.95 {
		return "< 1 s"
	}
	return span(s)
}

func rescaled(from, to int32) string { return fmt.Sprintf("%d → %d", from, to) }

// headline describes the run in one line.
func (r Report) headline() string {
	switch {
	case !r.Verdict.OK && r.Simulated:
		return "Simulated: the queue is never drained"
	case !r.Verdict.OK:
		return "The demo failed"
	}
	return fmt.Sprintf(r.simulated()+"%s messages, %s\u00a0consumers, drained in\u00a0%.0f\u00a0s, lost\u00a0%d",
		count(r.Verdict.Produced), r.arc(), r.Verdict.TimeToDrain, len(r.Verdict.Lost))
}

// simulated returns the beginning of texts about a simulated run.
func (r Report) simulated() string {
	if r.Simulated {
		return "Simulated: "
	}
	return ""
}

// origin returns where a picture comes from.
func (r Report) origin() string {
	if r.Simulated {
		return "Simulated by make simulate"
	}
	return "One run in the local cluster"
}

// arc describes how many consumers were ready before the burst, at the peak and at the
// end.
func (r Report) arc() string {
	first, last := r.ends()
	return fmt.Sprintf("%d\u00a0→\u00a0%d\u00a0→\u00a0%d", first.Ready, r.Verdict.PeakReplicas, last.Ready)
}

// ends returns the first and the last sample; a run has at least one.
func (r Report) ends() (first, last Sample) {
	if len(r.Samples) == 0 {
		return Sample{}, Sample{}
	}
	return r.Samples[0], r.Samples[len(r.Samples)-1]
}

// facts returns when, with what and where the run was made.
func (r Report) facts() []figure {
	facts := []figure{
		{"date", r.Started.UTC().Format("2 January 2006, 15:04 UTC")},
		{"commit", r.commit()},
	}
	if r.Simulated {
		facts = append(facts, figure{"simulated", "nothing ran in a cluster; the typical one of " + plural(r.Prediction.Phases, "run")})
	}
	if r.Machine.Nodes == 0 {
		return facts
	}
	return append(facts,
		figure{"machine", r.Machine.hardware()},
		figure{"kernel", joined(r.Machine.Kernel, r.Machine.System)},
		figure{"cluster", "Kubernetes " + r.Machine.Kubernetes + ", " + plural(r.Machine.Nodes, "node")},
	)
}

// commit returns the commit hash in git's short form.
func (r Report) commit() string {
	commit := cmp.Or(r.Commit[:min(12, len(r.Commit))], "none")
	if r.Uncommitted {
		commit += " + uncommitted changes"
	}
	return commit
}

func (m Machine) hardware() string {
	return joined(m.Processor, plural(int(m.Cores), "core"), fmt.Sprintf("%.1f GiB of memory", float64(m.Memory)/(1<<30)))
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " " + noun
}

// joined joins the parts that are not empty.
func joined(parts ...string) string {
	var known []string
	for _, part := range parts {
		if part != "" {
			known = append(known, part)
		}
	}
	return strings.Join(known, ", ")
}

// tile is one of the figures at the top of the page.
type tile struct{ Value, Name, More string }

func (r Report) tiles() []tile {
	v := r.Verdict
	ideal := "the queue was not drained"
	if r.Ideal.Drained >= 0 {
		ideal = fmt.Sprintf("%.0f s with all %d from the start", r.Ideal.Drained, r.Ideal.Consumers)
	}
	if r.Ideal.AsReady >= 0 {
		ideal += fmt.Sprintf(", %.0f s as they came", r.Ideal.AsReady)
	}
	return []tile{
		{count(len(v.Lost)), "lost", fmt.Sprintf("of %s good events", count(v.Good))},
		{span(v.TimeToDrain), "until drained", ideal},
		{fmt.Sprint(v.PeakReplicas), "consumers at the peak", "the first more wanted " + when(v.FirstScaleUp)},
		{count(r.Throughput.Peak), "stored in the best second", r.mean()},
	}
}

// Tail says how much longer the drain took than the consumers, as they became ready,
// needed; empty if that is unknown.
func (r Report) Tail() string {
	if r.Ideal.AsReady <= 0 || r.Verdict.TimeToDrain < 0 {
		return ""
	}
	return fmt.Sprintf("drained after %.1f s, %.2f times the %.1f s that the consumers needed as they became ready",
		r.Verdict.TimeToDrain, r.Verdict.TimeToDrain/r.Ideal.AsReady, r.Ideal.AsReady)
}

func (r Report) mean() string {
	if r.Throughput.Mean < 0 {
		return "no mean: the queue was not drained"
	}
	return fmt.Sprintf("%.0f a second on average", r.Throughput.Mean)
}

// span returns a duration in whole seconds.
func span(s float64) string {
	if s < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f s", s)
}

func when(s float64) string {
	if s < 0 {
		return "never"
	}
	return fmt.Sprintf("after %.0f s", s)
}

// wait is one stage of a step.
type wait struct {
	What string
	// From and Seconds are its start and its length.
	From, Seconds float64
	// Left and Width are the same as percentages of the step.
	Left, Width float64
}

// timeline is a step with its stages.
type timeline struct {
	Title string
	// Total is the time from the start of the first stage to the end of the last one.
	Total float64
	Waits []wait
}

// timelines returns the steps; the first one starts with the burst.
func (r Report) timelines() []timeline {
	var lines []timeline
	for i, step := range r.Steps {
		var marks []mark
		if i == 0 && step.up() {
			marks = append(marks, mark{"", 0}, mark{"the burst's pod starts and sends its first event", r.FirstSent},
				mark{"the queue grows until KEDA's metric is over the target", step.Due})
		} else {
			marks = append(marks, mark{"", step.Due})
		}
		lines = append(lines, newTimeline(step, append(marks, step.marks()...)))
	}
	return lines
}

// mark is the end of a stage.
type mark struct {
	what string
	at   float64
}

func (s Step) marks() []mark {
	if !s.up() {
		return []mark{
			{"the HPA's scale-down window ends: no new backlog came", s.Decided},
			{"the Deployment ends pods", s.Created},
			{"no more of them are ready", s.Ready},
		}
	}
	return []mark{
		{"the HPA looks again, every 15 s, and decides", s.Decided},
		{"the Deployment creates pods", s.Created},
		{"the pods start, until all are ready", s.Ready},
	}
}

// newTimeline makes stages from marks; a mark that never came has none.
func newTimeline(step Step, marks []mark) timeline {
	line := timeline{Title: rescaled(step.From, step.To) + " consumers"}
	from := marks[0].at
	for _, m := range marks[1:] {
		if m.at < 0 {
			continue
		}
		// A step can be due before the first event's own time.
		line.Waits = append(line.Waits, wait{What: m.what, From: from, Seconds: max(0, m.at-from)})
		from = max(from, m.at)
	}
	line.Total = from - marks[0].at
	for i, w := range line.Waits {
		line.Waits[i].Left = 100 * (w.From - marks[0].at) / max(line.Total, 0.001)
		line.Waits[i].Width = 100 * w.Seconds / max(line.Total, 0.001)
	}
	return line
}
