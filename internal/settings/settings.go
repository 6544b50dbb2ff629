// Package settings reads a workload's settings from environment variables and
// collects every mistake, so that a pod says all that is wrong with it at
// once. It knows no variable by name.
package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Lookup is os.LookupEnv or a stand-in for it.
type Lookup func(name string) (string, bool)

// Format is what a text must look like, and how to say so: "must be " and
// Rule. What matches Except, if there is one, is wrong although it matches
// Pattern.
type Format struct {
	Pattern *regexp.Regexp
	Rule    string
	Except  *regexp.Regexp
	// Max is how long the text may be; 0 is any length. A long bound in Pattern would be
	// compiled as so many copies of what it bounds.
	Max int
}

func (f Format) matches(text string) bool {
	return (f.Max == 0 || len(text) <= f.Max) && f.Pattern.MatchString(text) && (f.Except == nil || !f.Except.MatchString(text))
}

// The forms of AWS's names. Otherwise a typing error shows up as an endless wait for
// something that can never exist.
var (
	// Region has four letters first in the partition aws-eusc.
	Region = Format{Pattern: regexp.MustCompile(`^([a-z]{2}|eusc)(-[a-z]+)+-[0-9]+$`), Rule: "an AWS region such as eu-west-1"}
	// Queue is the name of a standard queue: the order of FIFO is not kept.
	Queue  = Format{Pattern: regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`), Rule: "1 to 80 letters, digits, hyphens and underscores"}
	Bucket = Format{
		Pattern: regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
		Rule:    "3 to 63 lower-case letters, digits, single dots and hyphens, and not an IP address",
		Except:  regexp.MustCompile(`\.\.|^[0-9]+(\.[0-9]+){3}$`),
	}
)

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
		r.Refuse(name, fmt.Sprintf("a whole number from %d to %d", low, high))
		return fallback
	}
	return n
}

// Text is the variable, or fallback when it is not set.
func (r *Reader) Text(name, fallback string, format Format) string {
	text, ok := r.lookup(name)
	if !ok {
		return fallback
	}
	if !format.matches(text) {
		r.Refuse(name, format.Rule)
	}
	return text
}

// Required is a variable that must be set; what says what it names.
func (r *Reader) Required(name, what string, format Format) string {
	if _, ok := r.lookup(name); !ok {
		r.errs = append(r.errs, fmt.Errorf("%s is not set: it names %s and must be %s", name, what, format.Rule))
		return ""
	}
	return r.Text(name, "", format)
}

// Address is where to listen, host:port or :port.
func (r *Reader) Address(name, fallback string) string {
	text, ok := r.lookup(name)
	if !ok {
		return fallback
	}
	_, port, err := net.SplitHostPort(text)
	if n, convErr := strconv.Atoi(port); err != nil || convErr != nil || n < 0 || n > 65535 {
		r.Refuse(name, "host:port or :port, with a port from 0 to 65535")
	}
	return text
}

// Level is a log level by the names of log/slog in any case, INFO when not
// set.
func (r *Reader) Level(name string) slog.Level {
	text, ok := r.lookup(name)
	if !ok {
		return slog.LevelInfo
	}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, level.String()) {
			return level
		}
	}
	r.Refuse(name, "DEBUG, INFO, WARN or ERROR")
	return slog.LevelInfo
}

// Refuse adds a mistake in the value of a variable, for what depends on more
// than one of them. It does nothing for a variable that is not set.
func (r *Reader) Refuse(name, rule string) {
	if text, ok := r.lookup(name); ok {
		r.errs = append(r.errs, fmt.Errorf("%s=%q: must be %s", name, text, rule))
	}
}

// Err joins every mistake, or is nil.
func (r *Reader) Err() error { return errors.Join(r.errs...) }
