package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// watch follows one burst from its start to its end.
type watch struct {
	*pipeline
	burst   int
	display *display

	job     string
	started time.Time
	before  baseline
	samples []Sample
	// sent is nil until the burst's Job has ended.
	sent []Produced
	// required is sent and what the steady producer sent until then.
	required []Produced
	missing  []string
	// drained is when the last of required was seen at its end, and negative
	// until then.
	drained float64
	lastErr error
}

// baseline is what was there at the start of the run, and is not judged.
type baseline struct {
	keys    map[string]time.Time
	letters []DeadLetter
	// steady is what the steady producer had sent.
	steady []Produced
}

// begin takes the baseline and starts the burst.
func (w *watch) begin(ctx context.Context) error {
	var err error
	if w.before.keys, err = w.keys(ctx); err != nil {
		return err
	}
	if w.before.letters, err = w.quarantined(ctx); err != nil {
		return err
	}
	if w.before.steady, err = w.produced(ctx, steadySelector); err != nil {
		return err
	}
	// The chart and the first scale-up need the state before the burst.
	first, _, err := w.sample(ctx)
	if err != nil {
		return err
	}
	first.DeadLettered = 0
	w.samples = []Sample{first}
	w.drained, w.started = -1, time.Now()
	w.job, err = w.startBurst(ctx, w.burst)
	return err
}

// untilOver samples until every message of the burst is at its end and the
// consumers are back at their minimum. It also ends when something stays
// missing for longer than a redelivery takes: then it is lost, and the verdict
// says so.
func (w *watch) untilOver(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var stalled time.Time
	for {
		before := w.missing
		s, err := w.step(ctx)
		switch {
		case errors.Is(err, errBurstFailed):
			return err
		case err != nil:
			// The API server may be busy with the pods that the burst brings.
			w.lastErr = err
		case w.sent != nil && s.atMinimum(w.scaling.minimum):
			if len(w.missing) == 0 {
				return nil
			}
			if stalled.IsZero() || !slices.Equal(before, w.missing) {
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

// step takes a sample and looks for what is missing.
func (w *watch) step(ctx context.Context) (Sample, error) {
	s, keys, err := w.sample(ctx)
	if err != nil {
		return s, err
	}
	s.Seconds = millis(time.Since(w.started).Seconds())
	s.Stored = len(w.since(keys))
	s.DeadLettered -= len(w.before.letters)
	w.samples = append(w.samples, s)
	w.display.show(s, w.burst)
	if w.sent == nil {
		if err := w.readBurst(ctx); err != nil || w.sent == nil {
			return s, err
		}
	}
	missing := absent(w.required, storedIDs(keys), false)
	if len(missing) == 0 {
		letters, err := w.quarantined(ctx)
		if err != nil {
			return s, err
		}
		missing = absent(w.required, deadIDs(letters), true)
	}
	w.missing = missing
	if w.drained < 0 && len(missing) == 0 {
		w.drained = s.Seconds
	}
	return s, nil
}

// readBurst learns what must be at its end when the burst's Job has ended. The
// steady producer's messages of that time count too: they went through the
// same crowd.
func (w *watch) readBurst(ctx context.Context) error {
	sent, err := w.finishedBurst(ctx, w.job, w.burst)
	if err != nil || sent == nil {
		return err
	}
	steady, err := w.produced(ctx, steadySelector)
	if err != nil {
		return err
	}
	w.sent, w.required = sent, append(slices.Clone(sent), without(steady, w.before.steady)...)
	return nil
}

// since are the keys of keys that were not there at the start.
func (w *watch) since(keys map[string]time.Time) map[string]time.Time {
	added := maps.Clone(keys)
	maps.DeleteFunc(added, func(key string, _ time.Time) bool {
		_, old := w.before.keys[key]
		return old
	})
	return added
}

// evidence reads both ends. The steady producer runs on, so its log is read
// after them, for what may be there.
func (w *watch) evidence(ctx context.Context) (Evidence, error) {
	keys, err := w.keys(ctx)
	if err != nil {
		return Evidence{}, err
	}
	objects, err := w.objects(ctx, w.since(keys))
	if err != nil {
		return Evidence{}, err
	}
	letters, err := w.quarantined(ctx)
	if err != nil {
		return Evidence{}, err
	}
	old := deadIDs(w.before.letters)
	dead := slices.DeleteFunc(slices.Clone(letters), func(l DeadLetter) bool { return old[l.RequestID] })
	steady, err := w.produced(ctx, steadySelector)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Burst: w.sent, Steady: w.required[len(w.sent):], Others: append(steady, w.before.steady...),
		Prefix: w.settings.Prefix, Objects: objects, Dead: dead,
	}, nil
}

// absent names the messages, good or bad ones, that are not in found.
func absent(sent []Produced, found map[string]bool, bad bool) []string {
	ids := []string{}
	for _, m := range sent {
		if m.Bad == bad && !found[m.RequestID] {
			ids = append(ids, m.RequestID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// without are the messages of all whose ids are not in seen.
func without(all, seen []Produced) []Produced {
	known := map[string]bool{}
	for _, m := range seen {
		known[m.RequestID] = true
	}
	var rest []Produced
	for _, m := range all {
		if !known[m.RequestID] {
			rest = append(rest, m)
		}
	}
	return rest
}

// named bounds how many ids and pods an error names.
const named = 5

// unfinished says what the run was still waiting for.
func (w *watch) unfinished(ctx context.Context) error {
	var waiting []string
	switch {
	case w.sent == nil:
		waiting = append(waiting, fmt.Sprintf("the burst's Job %s has not ended", w.job))
	case len(w.missing) > 0:
		waiting = append(waiting, fmt.Sprintf("%d of %d messages are neither stored nor dead-lettered, such as %s",
			len(w.missing), len(w.required), strings.Join(w.missing[:min(named, len(w.missing))], ", ")))
	}
	if n := len(w.samples); n > 0 {
		s := w.samples[n-1]
		if !s.atMinimum(w.scaling.minimum) {
			waiting = append(waiting, fmt.Sprintf("%d consumers are wanted and %d ready, %d is the minimum", s.Desired, s.Ready, w.scaling.minimum))
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
