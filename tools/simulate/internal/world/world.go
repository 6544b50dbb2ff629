// Package world runs a scenario on a fake clock, in a bubble of testing/synctest.
// Kubernetes' HPA controller, KEDA's scaling decision, the local AWS's queue, and this
// repository's consumer and producer are the real code. The modelled parts are in package
// parts.
//
// The package does not judge runs or combine them. There is no network in a bubble: a
// socket would stop its clock.
package world

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	sender "github.com/mystique-unicorn/sales-events/apps/producer/worker"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

const (
	account  = "000000000000"
	deadName = "dead-letters"
	loadName = "load"
	// warmUp is how long the system runs before the load. By then its pods are ready, and
	// its pollers are somewhere in their back-off.
	warmUp = 90 * time.Second
	// patience is how much longer than the load a run may take: a queue that is not
	// drained by then never is.
	patience = time.Hour
	// samples is about the largest number of samples in a run.
	samples = 4000
)

// Phase is one of a scenario's runs: it decides where in the HPA's period the load
// begins, and all random numbers.
type Phase struct{ Index, Of int }

// begins returns how long the system has run when the load begins.
func (p Phase) begins(period time.Duration) time.Duration {
	return warmUp + period*time.Duration(2*p.Index+1)/time.Duration(2*p.Of)
}

// Look returns the time from the start of the load to the HPA's next look. The HPA looks
// once in each period from the system's start.
func (p Phase) Look(period time.Duration) time.Duration { return period - p.begins(period)%period }

// Run is the result of a run. Times are in seconds since the load was asked for, and -1
// for what never happened.
type Run struct {
	Phase int `json:"phase"`
	// FirstSent and LastSent are the times of the load's first and last message.
	FirstSent float64 `json:"firstSent"`
	LastSent  float64 `json:"lastSent"`
	// Drained is when the last message of the load was stored or dead-lettered.
	Drained float64 `json:"drained"`
	// Settled is when the pods were back at their minimum.
	Settled float64 `json:"settled"`
	// Peak is the most ready pods, Wanted the most wanted pods, and Pending the most pods
	// without a node.
	Peak    int32 `json:"peak"`
	Wanted  int32 `json:"wanted"`
	Pending int   `json:"pending"`
	// PodSeconds is the sum of pods over time, from the start of the load until the pods
	// were back at their minimum, or the end of the run.
	PodSeconds float64 `json:"podSeconds"`
	// P50, P95, P99 and Max are the ages of the load's messages when they were stored.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	// Messages counts the load's messages: Measured were stored, Dead dead-lettered.
	// Requests counts the calls to the queue, and Puts those to the bucket, of all pods.
	Messages  int             `json:"messages"`
	Measured  int             `json:"measured"`
	Dead      int             `json:"dead"`
	Requests  int64           `json:"requests"`
	Puts      int64           `json:"puts"`
	Steps     []Step          `json:"steps"`
	PerSecond []int           `json:"perSecond,omitempty"`
	Samples   []report.Sample `json:"samples,omitempty"`
}

// world is one run.
type world struct {
	scenario scenario.Scenario
	phase    Phase
	end      End
	dice     parts.Dice

	ctx context.Context
	// queue and dead are clients of the queues.
	queue, dead    sqs.Direct
	requests, puts atomic.Int64
	tally          *tally
	steps          *steps
	fleet          *fleet
	keda           *keda
	background     sync.WaitGroup

	began   time.Time
	samples []report.Sample
	pending int

	mu  sync.Mutex
	err error
}

// End says when a run ends.
type End string

const (
	// Settled means that the load is handled, and the pods are back at their minimum.
	Settled End = "settled"
	// Drained means that the load is handled. A cluster whose producer continues may take long to
	// settle.
	Drained End = "drained"
)

// Simulate runs one phase of a scenario until it is settled. It needs a test, because
// bubbles exist only in package testing.
func Simulate(t *testing.T, s scenario.Scenario, phase Phase) (run Run, err error) {
	return SimulateUntil(t, s, phase, Settled)
}

// SimulateUntil is Simulate with another end.
func SimulateUntil(t *testing.T, s scenario.Scenario, phase Phase, end End) (run Run, err error) {
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(quietly(context.Background()))
		defer cancel()
		w := newWorld(ctx, s, phase)
		w.end = end
		w.live()
		cancel()
		w.fleet.running.Wait()
		w.background.Wait()
		run, err = w.run(), w.err
	})
	return run, err
}

func newWorld(ctx context.Context, s scenario.Scenario, phase Phase) *world {
	w := &world{
		scenario: s, phase: phase, dice: parts.Dice(phase.Index + 1), ctx: ctx, tally: newTally(), steps: &steps{},
	}
	faults := &fault.Faults{}
	if s.Parts.CountLag > 0 || s.Parts.CountError > 0 {
		faults.Set(uint64(phase.Index), fault.Fault{
			Action: "GetQueueAttributes", Rate: 1, Lag: s.Parts.CountLag, Jitter: s.Parts.CountError,
		})
	}
	delay, visibility := int(s.Queue.Delay.Seconds()), int(s.Queue.Visibility.Seconds())
	service := sqs.New(sqs.Options{
		Region: "eu-west-1", AccountID: account, Clock: clock.System{}, Faults: faults,
		Queues: []sqs.Queue{
			{
				Name: s.Queue.Name, DelaySeconds: &delay, VisibilityTimeout: &visibility,
				Redrive: &sqs.Redrive{DeadLetterQueue: deadName, MaxReceiveCount: s.Queue.MaxReceives},
			},
			{Name: deadName},
		},
	})
	w.queue, w.dead = service.Direct(queueURL(s.Queue.Name)), service.Direct(queueURL(deadName))
	w.fleet, w.keda = newFleet(w), newKEDA(w)
	return w
}

// live runs everything.
func (w *world) live() {
	w.fleet.scale(w.scenario.Minimum())
	w.runHPA()
	w.background.Go(func() { w.keda.run(w.share("keda", w.keda.interval())) })
	if steady := w.scenario.Load.Steady; steady != nil {
		w.background.Go(func() { w.send(*steady, nil, "steady", 1+2*w.phase.Index) })
	}
	w.sleep(w.ctx, w.phase.begins(w.scenario.Parts.SyncPeriod))
	w.begin()
	w.background.Go(func() {
		if w.sleep(w.ctx, w.scenario.Parts.ProducerStart.At(w.dice.Share("producer"))) {
			w.send(w.scenario.Load.Burst, w.scenario.Load.Trace, loadName, 2+2*w.phase.Index)
			w.tally.end()
		}
	})
	w.watch()
}

// begin starts the load.
func (w *world) begin() {
	w.began = time.Now()
	w.tally.begin()
	w.steps.begin()
	w.requests.Store(0)
	w.puts.Store(0)
}

// send runs a producer until it has sent its total.
func (w *world) send(c producer.Config, t trace.Trace, name string, seed int) {
	c.Seed = seed
	client := w.newClient(name)
	client.loads = name == loadName
	p := sender.New(c, t, client, queueURL(w.scenario.Queue.Name), slog.New(slog.DiscardHandler), metrics.NewSet())
	if err := p.Run(w.ctx); err != nil && w.ctx.Err() == nil {
		w.fail(fmt.Errorf("the %s producer: %w", name, err))
	}
}

// watch takes samples until the end.
func (w *world) watch() {
	limit := w.scenario.Load.Lasts() + patience
	every := max(time.Second, (limit / samples).Round(time.Second))
	for {
		s := w.sample()
		w.samples = append(w.samples, s)
		_, drained := w.tally.drained()
		settled := w.end == Drained || max(s.Desired, s.Pods, s.Ready) <= w.rest()
		if w.failed() || drained && settled || time.Since(w.began) >= limit {
			return
		}
		w.sleep(w.ctx, every)
	}
}

// rest returns the number of pods before and after the load: the minimum, or one if a
// steady producer needs a pod now and then although the minimum is 0.
func (w *world) rest() int32 {
	if w.scenario.Load.Steady != nil {
		return max(1, w.scenario.Minimum())
	}
	return w.scenario.Minimum()
}

func (w *world) sample() report.Sample {
	d, err := w.queue.Counts(exact(w.ctx))
	if err != nil {
		w.fail(err)
	}
	wanted, pods, ready := w.fleet.count()
	w.pending = max(w.pending, w.fleet.pending())
	w.tally.mu.Lock()
	defer w.tally.mu.Unlock()
	w.steps.mu.Lock()
	defer w.steps.mu.Unlock()
	return report.Sample{
		Seconds: time.Since(w.began).Seconds(), Visible: d.Visible, InFlight: d.InFlight, Delayed: d.Delayed,
		Metric: float64(w.steps.metric), Active: w.keda.active.Load(), Desired: wanted, Pods: pods, Ready: ready,
		Stored: w.tally.stored, DeadLettered: w.tally.quarantined,
	}
}

// rescale carries out a decision of the HPA or KEDA.
func (w *world) rescale(actor string, to int32) {
	from, _, _ := w.fleet.count()
	w.steps.onRescale(actor, from, to)
	w.fleet.scale(to)
}

// share returns a random part of a duration.
func (w *world) share(name string, of time.Duration) time.Duration {
	return time.Duration(w.dice.Share(name) * float64(of))
}

// sleep waits, and reports whether the context is still valid.
func (w *world) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// fail records the first error, which ends the run.
func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.ctx.Err() == nil {
		w.err = err
	}
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}
