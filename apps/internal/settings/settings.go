// Package settings reads a workload's settings from environment variables and
// collects every mistake, so that a pod says all that is wrong with it at
// once. It knows no variable by name.
package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
)

// Lookup is os.LookupEnv or a stand-in for it.
type Lookup func(name string) (string, bool)

// Reader reads variables; ask Err once all are read.
type Reader struct {
	lookup Lookup
	errs   []error
}

// NewReader reads through lookup.
func NewReader(lookup Lookup) *Reader { return &Reader{lookup: lookup} }

// Int is a whole number from low to high, or fallback when the variable is
// not set.
func (r *Reader) Int(name string, fallback, low, high int) int {
	text, ok := r.lookup(name)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		r.errs = append(r.errs, fmt.Errorf("%s=%q: must be a whole number from %d to %d", name, text, low, high))
		return fallback
	}
	return n
}

// String is the variable, or fallback when it is not set.
func (r *Reader) String(name, fallback string) string {
	if text, ok := r.lookup(name); ok {
		return text
	}
	return fallback
}

// Required is a variable that must be set and not empty.
func (r *Reader) Required(name, what string) string {
	text, _ := r.lookup(name)
	if text == "" {
		r.errs = append(r.errs, fmt.Errorf("%s is not set: it names %s", name, what))
	}
	return text
}

// Level is a log level by the names of log/slog, INFO when not set.
func (r *Reader) Level(name string) slog.Level {
	var level slog.Level
	if text, ok := r.lookup(name); ok {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s=%q: must be DEBUG, INFO, WARN or ERROR", name, text))
		}
	}
	return level
}

// Err joins every mistake, or is nil.
func (r *Reader) Err() error { return errors.Join(r.errs...) }
