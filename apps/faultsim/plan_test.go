package faultsim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
)

// plan has the decisions of a seed before the run. The fate of a call is drawn when the
// call is made.
type plan struct {
	seed int
	// midnight is the time from the start to the change of the date.
	midnight time.Duration
	producer producer.Config
	// producerEnd is when the producer is asked to end or killed. 0: never. Another
	// producer then sends the rest.
	producerEnd    time.Duration
	producerKilled bool
	// poison is the number of messages that are not JSON. They come in addition to the
	// producer's.
	poison int

	pods       int
	consumer   config.Config
	visibility int // seconds
	// calm is the time after which nothing fails any more.
	calm    time.Duration
	faults  []localaws.Fault
	outages []outage
	network network
	// killRate is the share of calls during which the consumer is killed. kills is the
	// maximum number of kills.
	killRate float64
	kills    int
	// ends are the times at which consumers are asked to end.
	ends  []end
	jumps []jump
}

// outage is a period with faults of its own.
type outage struct {
	from, to time.Duration
	faults   []localaws.Fault
}

// end is the time at which a pod is asked to end. A new pod replaces it unless the fleet
// shrinks.
type end struct {
	at      time.Duration
	pod     int
	shrinks bool
}

// jump is a jump of the server's clock.
type jump struct{ at, by time.Duration }

// network has the delays of a request and of an answer.
type network struct {
	latency time.Duration // the usual maximum
	// slow is the share of delays with the maximum slowest.
	slow    float64
	slowest time.Duration
}

// draw returns the random numbers of a seed for one purpose.
func draw(seed int, purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

func newPlan(seed int) plan {
	r := draw(seed, "plan")
	p := plan{
		seed:       seed,
		midnight:   between(r, 0, 30*time.Second),
		poison:     r.IntN(3),
		pods:       1 + r.IntN(3),
		visibility: pick(r, 6, 12, 30, 30),
		calm:       between(r, 30*time.Second, 150*time.Second),
		network:    network{latency: pick(r, 2*time.Millisecond, 20*time.Millisecond, 200*time.Millisecond)},
	}
	if r.IntN(16) == 0 {
		p.pods = 12
	}
	p.producer = producer.Config{
		Region: region, Queue: sourceName, Seed: seed + 1, Total: 10 + r.IntN(16),
		Concurrency: pick(r, 1, 4), MsgsPerSec: pick(r, 0, 0, 2, 10), BadPercent: pick(r, 0, 10, 20), DuplicatePercent: pick(r, 0, 10, 20),
	}
	if r.IntN(4) == 0 {
		p.producerEnd, p.producerKilled = between(r, 0, 10*time.Second), r.IntN(2) == 0
	}
	p.consumer = config.Config{
		Region: region, Queue: sourceName, DeadLetterQueue: deadName, Bucket: bucketName, Prefix: "events",
		BatchSize: pick(r, 5, 10), Concurrency: pick(r, 1, 2, 8, 16), Total: pick(r, 0, 0, 0, 7),
		ProcessDelay: pick(r, 0, 0, time.Second, 10*time.Second),
		Backoff:      pick(r, time.Second, 2*time.Second), BackoffMax: 20 * time.Second,
	}
	p.planFaults(r)
	p.planEnds(r)
	return p
}

// planFaults chooses the kinds of faults. Most seeds have only a few kinds, because each
// kind hides some of the others.
func (p *plan) planFaults(r *rand.Rand) {
	for _, f := range []localaws.Fault{
		{Action: "S3:PUT", Code: "SlowDown"},
		{Action: "S3:PUT", Code: "InternalError", Late: true},
		{Action: "S3:PUT", Code: "ConditionalRequestConflict", Status: 409},
		{Action: "S3:PUT", Lost: true, Late: true},
		{Action: "*", Code: "ServiceUnavailable", Status: 503},
		{Action: "*", Lost: true},
		{Action: "*", Lost: true, Late: true},
		{Action: "ReceiveMessage", Code: "RequestThrottled"},
		{Action: "*Message*", Code: "RequestThrottled"},
		{Action: "ReceiveMessage", Lost: true, Late: true},
		{Action: "ReceiveMessage", Duplicate: true},
		{Action: "DeleteMessageBatch", Duplicate: true},
		{Action: "*Batch", Code: "InternalError", Entry: true},
		{Action: "ChangeMessageVisibilityBatch", Code: "RequestThrottled"},
		{Action: "S3:PUT", Latency: time.Second, Spread: 5 * time.Second},
		{Action: "S3:PUT", Latency: 10 * time.Second, Spread: time.Minute},
	} {
		if r.IntN(4) == 0 {
			f.Rate = pick(r, .02, .05, .15, .3)
			p.faults = append(p.faults, f)
		}
	}
	if r.IntN(3) == 0 {
		p.network.slow, p.network.slowest = pick(r, .01, .05), pick(r, 5*time.Second, 40*time.Second)
	}
	for _, f := range []localaws.Fault{
		{Action: "S3:*", Code: "InternalError"},
		{Action: "*Message*", Code: "RequestThrottled"},
		{Action: "*", Lost: true},
		{Action: "S3:PUT", Latency: 3 * time.Second, Spread: 10 * time.Second},
	} {
		if r.IntN(5) == 0 {
			f.Rate = 1
			from := between(r, 0, 30*time.Second)
			p.outages = append(p.outages, outage{from, from + between(r, 0, p.calm-from), []localaws.Fault{f}})
		}
	}
	if r.IntN(2) == 0 {
		p.killRate, p.kills = pick(r, .01, .05), 1+r.IntN(4)
	}
	for range r.IntN(3) {
		if r.IntN(2) == 0 {
			p.jumps = append(p.jumps, jump{between(r, 0, p.calm), between(r, -20*time.Second, 60*time.Second)})
		}
	}
}

// planEnds chooses the consumers that are asked to end: one after the other, as with a
// new version, or all but one, as when the fleet shrinks.
func (p *plan) planEnds(r *rand.Rand) {
	switch r.IntN(4) {
	case 0:
		at := between(r, 0, 30*time.Second)
		for pod := range p.pods {
			p.ends = append(p.ends, end{at: at, pod: pod})
			at += between(r, 0, 30*time.Second)
		}
	case 1:
		at := between(r, 0, 60*time.Second)
		for pod := 1; pod < p.pods; pod++ {
			p.ends = append(p.ends, end{at + between(r, 0, time.Second), pod, true})
		}
	case 2:
		for range 1 + r.IntN(3) {
			p.ends = append(p.ends, end{at: between(r, 0, p.calm), pod: r.IntN(p.pods)})
		}
	}
	slices.SortFunc(p.ends, func(a, b end) int { return int(a.at - b.at) })
}

// faultsAt returns the faults of a point in time.
func (p *plan) faultsAt(at time.Duration) []localaws.Fault {
	if at >= p.calm {
		return []localaws.Fault{stale}
	}
	all := append([]localaws.Fault{stale}, p.faults...)
	for _, o := range p.outages {
		if o.from <= at && at < o.to {
			all = append(all, o.faults...)
		}
	}
	return all
}

// stale is allowed behaviour of AWS, not a fault: a delete by an old receipt handle may
// delete nothing.
var stale = localaws.Fault{Action: "DeleteMessageBatch", Rate: 1, Stale: true}

func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(max(high-low, 1))))
}

func pick[T any](r *rand.Rand, options ...T) T { return options[r.IntN(len(options))] }

// String describes the whole plan.
func (p plan) String() string {
	var b strings.Builder
	c, s := p.consumer, p.producer
	fmt.Fprintf(&b, "%d pods, CONCURRENCY=%d MAX_MSGS_PER_BATCH=%d TOT_MSGS_TO_PROCESS=%d MSG_PROCESS_DELAY=%s, visibility timeout %d s; ",
		p.pods, c.Concurrency, c.BatchSize, c.Total, c.ProcessDelay, p.visibility)
	fmt.Fprintf(&b, "%d events and %d messages that are none, CONCURRENCY=%d MSGS_PER_SEC=%d; calm after %s", s.Total, p.poison, s.Concurrency, s.MsgsPerSec, p.calm)
	for _, f := range p.faults {
		fmt.Fprintf(&b, "; %s", describe(f))
	}
	for _, o := range p.outages {
		fmt.Fprintf(&b, "; from %s to %s %s", o.from, o.to, describe(o.faults[0]))
	}
	if p.killRate > 0 {
		fmt.Fprintf(&b, "; up to %d kills", p.kills)
	}
	return b.String()
}

// describe returns a fault in the words of docs/localaws.md.
func describe(f localaws.Fault) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %g %%", f.Action, 100*f.Rate)
	for _, word := range []struct {
		text string
		is   bool
	}{
		{" " + f.Code, f.Code != ""},
		{" lost", f.Lost},
		{" late", f.Late},
		{" of entries", f.Entry},
		{" duplicate", f.Duplicate},
		{fmt.Sprintf(" %s to %s later", f.Latency, f.Latency+f.Spread), f.Latency > 0},
	} {
		if word.is {
			b.WriteString(word.text)
		}
	}
	return b.String()
}
