package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// watch follows one burst from its start to its end.
type watch struct {
	*pipeline
	burst   int
	display *display
	observe func(Sample) // may be nil

	job     string
	started time.Time
	ledger  *ledger
	// lettersBefore is the number of dead letters at the start.
	lettersBefore int
	samples       []Sample
	// sent means that the burst's Job has ended, and that the ledger has what the steady
	// producer sent until then.
	sent bool
	// seen is the last look, which ended at looked and took looking. It is complete if
	// everything was sent before it began.
	seen     *look
	complete bool
	looked   time.Time
	looking  time.Duration
	// missing are the required messages that a complete look did not find at their
	// destination.
	missing []string
	lastErr error
}

// begin records the initial state, and starts the burst.
func (w *watch) begin(ctx context.Context) error {
	var err error
	if w.ledger, err = w.newBurst(ctx, w.burst); err != nil {
		return err
	}
	steady, err := w.produced(ctx, steadySelector)
	if err != nil {
		return err
	}
	w.ledger.add(steady, false)
	// The chart and the first scale-up need the state before the burst.
	first, err := w.sample(ctx)
	if err != nil {
		return err
	}
	w.lettersBefore, first.DeadLettered = first.DeadLettered, 0
	w.samples = []Sample{first}
	w.started = time.Now()
	w.seen = newLook(w.ledger, w.settings.Prefix, w.started)
	w.job, err = w.startBurst(ctx, w.ledger)
	return err
}

// untilOver takes samples until every message of the burst is at its destination and the
// consumers are back at their minimum. It also ends when a message stays missing for
// longer than a redelivery takes: then it is lost, and the verdict says so.
func (w *watch) untilOver(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var stalled time.Time
	for {
		before := len(w.missing)
		s, err := w.step(ctx)
		switch {
		case errors.Is(err, errBurstFailed):
			return err
		case err != nil:
			// The API server may be busy with the burst's new pods.
			w.lastErr = err
		case w.complete && s.AtMinimum(w.scaling.Minimum):
			if len(w.missing) == 0 {
				return nil
			}
			if stalled.IsZero() || before != len(w.missing) {
				stalled = time.Now()
			}
			if time.Since(stalled) > w.grace {
				return nil
			}
		default:
			stalled = time.Time{}
		}
		select {
		case <-ctx.Done():
			return w.unfinished(ctx)
		case <-tick.C:
		}
	}
}

// step takes a sample and looks for missing messages.
func (w *watch) step(ctx context.Context) (Sample, error) {
	s, err := w.sample(ctx)
	if err != nil {
		return s, err
	}
	s.Seconds = report.Millis(time.Since(w.started).Seconds())
	s.DeadLettered -= w.lettersBefore
	if !w.sent {
		if err := w.readBurst(ctx); err != nil {
			return s, err
		}
	}
	if w.observe != nil {
		s.Stored = len(w.seen.storedAt)
		w.observe(s)
	}
	if err := w.look(ctx, s); err != nil {
		return s, err
	}
	s.Stored = len(w.seen.storedAt)
	w.samples = append(w.samples, s)
	w.display.show(s, w.burst)
	return s, nil
}

// patience is the time between two looks, as a multiple of the time that a look takes.
const patience = 10

// look lists the bucket again, and names the missing messages. If a listing takes so long
// that samples would be missed, it skips it while messages are waiting.
func (w *watch) look(ctx context.Context, s Sample) error {
	if s.Depth() > quiet && time.Since(w.looked) < patience*w.looking {
		return nil
	}
	begin := time.Now()
	seen := newLook(w.ledger, w.settings.Prefix, w.started)
	if err := w.list(ctx, func(key string, modified time.Time) { seen.object(key, modified) }); err != nil {
		return err
	}
	w.seen, w.looked, w.looking, w.complete = seen, time.Now(), time.Since(begin), w.sent
	if !w.sent {
		return nil
	}
	w.missing = seen.missing(false)
	if len(w.missing) == 0 {
		letters, err := w.quarantined(ctx)
		if err != nil {
			return err
		}
		for _, letter := range letters {
			seen.letter(letter)
		}
		w.missing = seen.missing(true)
	}
	return nil
}

// readBurst reads, after the end of the burst's Job, what must be at its destination.
// That includes the steady producer's messages of that time: they went through the same
// load.
func (w *watch) readBurst(ctx context.Context) error {
	ended, err := w.burstEnded(ctx, w.job)
	if err != nil || !ended {
		return err
	}
	steady, err := w.produced(ctx, steadySelector)
	if err != nil {
		return err
	}
	w.ledger.add(steady, true)
	w.sent = true
	return nil
}

// evidence reads both destinations in full. Afterwards it reads the log of the steady
// producer, which keeps running, so that every message found there is known.
func (w *watch) evidence(ctx context.Context) (*look, error) {
	var all []object
	if err := w.list(ctx, func(key string, modified time.Time) { all = append(all, object{key, modified}) }); err != nil {
		return nil, err
	}
	letters, err := w.quarantined(ctx)
	if err != nil {
		return nil, err
	}
	steady, err := w.produced(ctx, steadySelector)
	if err != nil {
		return nil, err
	}
	w.ledger.add(steady, false)
	seen := newLook(w.ledger, w.settings.Prefix, w.started)
	all = slices.DeleteFunc(all, func(o object) bool { return !seen.object(o.key, o.modified) })
	for _, letter := range letters {
		seen.letter(letter)
	}
	return seen, w.read(ctx, all, func(o object, b body) { seen.read(o.key, o.modified, b) })
}

// named is the largest number of ids and pods that an error names.
const named = 5

// unfinished names what the run was still waiting for.
func (w *watch) unfinished(ctx context.Context) error {
	var waiting []string
	switch {
	case !w.sent:
		waiting = append(waiting, fmt.Sprintf("the burst's Job %s has not ended", w.job))
	case len(w.missing) > 0:
		waiting = append(waiting, fmt.Sprintf("%d of %d messages are neither stored nor dead-lettered, such as %s",
			len(w.missing), w.ledger.demanded(), strings.Join(w.missing[:min(named, len(w.missing))], ", ")))
	}
	if n := len(w.samples); n > 0 {
		s := w.samples[n-1]
		if !s.AtMinimum(w.scaling.Minimum) {
			waiting = append(waiting, fmt.Sprintf("%d consumers are wanted and %d ready, %d is the minimum", s.Desired, s.Ready, w.scaling.Minimum))
		}
		waiting = append(waiting, fmt.Sprintf("the queue has %d visible, %d in flight, %d delayed", s.Visible, s.InFlight, s.Delayed))
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	waiting = append(waiting, w.podStates(look)...)
	if w.lastErr != nil {
		waiting = append(waiting, fmt.Sprintf("last error: %v", w.lastErr))
	}
	return fmt.Errorf("%w: %s", context.Cause(ctx), strings.Join(waiting, "; "))
}
