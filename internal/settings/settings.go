// Package settings reads a workload's settings from environment variables and collects
// all mistakes, so that a pod reports them at once. It must not know any variable.
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

// Lookup is os.LookupEnv, or a replacement in tests and in validate.
type Lookup func(name string) (string, bool)

// Format is the form that a text must have; messages say "must be " and Rule. A text that
// matches Except, if set, is wrong even if it matches Pattern.
type Format struct {
	Pattern *regexp.Regexp
	Rule    string
	Except  *regexp.Regexp
	// Max is the largest length of the text; 0 means any. A long bound in Pattern would
	// be slow, because the regexp compiler copies a repetition for each count.
	Max int
}

func (f Format) matches(text string) bool {
	return (f.Max == 0 || len(text) <= f.Max) && f.Pattern.MatchString(text) && (f.Except == nil || !f.Except.MatchString(text))
}

// The forms of AWS's names. Without these checks a typing error would cause an endless
// wait for something that cannot exist.
var (
	// Region also allows the partition aws-eusc, whose regions begin with four letters.
	Region = Format{Pattern: regexp.MustCompile(`^([a-z]{2}|eusc)(-[a-z]+)+-[0-9]+$`), Rule: "an AWS region such as eu-west-1"}
	// Queue is the name of a standard queue. FIFO queues are rejected, because a workload
	// does not keep their order.
	Queue  = Format{Pattern: regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`), Rule: "1 to 80 letters, digits, hyphens and underscores"}
	Bucket = Format{
		Pattern: regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
		Rule:    "3 to 63 lower-case letters, digits, single dots and hyphens, and not an IP address",
		Except:  regexp.MustCompile(`\.\.|^[0-9]+(\.[0-9]+){3}$`),
	}
)

// Reader reads variables. Call Err after the last one.
type Reader struct {
	lookup Lookup
	errs   []error
}

// NewReader returns a Reader that reads with lookup.
func NewReader(lookup Lookup) *Reader { return &Reader{lookup: lookup} }

// Int returns a whole number from low to high, or fallback if the variable is not set.
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

// Text returns the variable, or fallback if it is not set.
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

// Required returns a variable that must be set. what describes it in the message.
func (r *Reader) Required(name, what string, format Format) string {
	if _, ok := r.lookup(name); !ok {
		r.errs = append(r.errs, fmt.Errorf("%s is not set: it names %s and must be %s", name, what, format.Rule))
		return ""
	}
	return r.Text(name, "", format)
}

// Address returns an address to listen on, host:port or :port.
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

// Level returns a log level by its name in log/slog, in any case; INFO if the variable is
// not set.
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

// Refuse adds a mistake in a variable's value, for rules about more than one variable. It
// does nothing if the variable is not set.
func (r *Reader) Refuse(name, rule string) {
	if text, ok := r.lookup(name); ok {
		r.errs = append(r.errs, fmt.Errorf("%s=%q: must be %s", name, text, rule))
	}
}

// Err returns all mistakes as one error, or nil.
func (r *Reader) Err() error { return errors.Join(r.errs...) }
