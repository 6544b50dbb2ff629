// Package config defines the producer's settings: its environment variables, their
// defaults and ranges. The producer reads them at start, validate to check manifests; the
// package must not know either.
package config

import (
	"log/slog"
	"math"
	"regexp"
	"time"

	"github.com/mystique-unicorn/sales-events/internal/settings"
)

// Drain is the longest time from SIGTERM to the producer's end, even if AWS does not
// answer. Calls that have begun may finish, and be retried, within it.
const Drain = 10 * time.Second

// Config is the producer's settings.
type Config struct {
	Region string
	// Queue is RELIABLE_QUEUE_NAME.
	Queue string
	// Total is TOT_MSGS_TO_PRODUCE; 0 is no limit.
	Total int
	// Concurrency is CONCURRENCY, the number of calls, each of up to ten messages, that
	// may be in flight at a time.
	Concurrency int
	// WaitSeconds is WAIT_SECS_BETWEEN_MSGS; 0 sends as fast as possible, in batches. It
	// is 0 if MsgsPerSec or Trace sets the pace.
	WaitSeconds int
	// MsgsPerSec is MSGS_PER_SEC, an even rate; 0 means none.
	MsgsPerSec int
	// Trace is TRACE, the file of a trace to replay until the total is reached, see
	// package trace; empty means none.
	Trace string
	// Seed is SEED. The same seed gives the same events, see package events, so use one
	// only for a single run of one pod: a second run would send the same ids. 0 draws
	// one.
	Seed int
	// BadPercent and DuplicatePercent are the shares of deliberately bad messages, and of
	// messages that are sent a second time.
	BadPercent, DuplicatePercent int
	// Address is HTTP_ADDR, for health and metrics.
	Address  string
	LogLevel slog.Level
}

// Parse reads the settings. The error joins every bad variable, each with its
// value and range.
func Parse(lookup func(string) (string, bool)) (Config, error) {
	r := settings.NewReader(lookup)
	c := Config{
		Region:           r.Required("AWS_REGION", "the AWS region of the queue", settings.Region),
		Queue:            r.Required("RELIABLE_QUEUE_NAME", "the queue to send to", settings.Queue),
		Total:            r.Int("TOT_MSGS_TO_PRODUCE", 10000, 0, 1<<31-1),
		Concurrency:      r.Int("CONCURRENCY", 1, 1, 64),
		WaitSeconds:      r.Int("WAIT_SECS_BETWEEN_MSGS", 2, 0, 3600),
		MsgsPerSec:       r.Int("MSGS_PER_SEC", 0, 0, 100000),
		Trace:            r.Text("TRACE", "", file),
		Seed:             r.Int("SEED", 0, 0, math.MaxInt),
		BadPercent:       r.Int("BAD_MSG_PERCENT", 10, 0, 100),
		DuplicatePercent: r.Int("DUPLICATE_MSG_PERCENT", 5, 0, 100),
		Address:          r.Address("HTTP_ADDR", ":8080"),
		LogLevel:         r.Level("LOG_LEVEL"),
	}
	if c.MsgsPerSec > 0 && c.Trace != "" {
		r.Refuse("TRACE", "left out, or MSGS_PER_SEC: each is a pace of its own")
	}
	if c.MsgsPerSec > 0 || c.Trace != "" {
		if c.WaitSeconds > 0 {
			r.Refuse("WAIT_SECS_BETWEEN_MSGS", "0 or left out, since MSGS_PER_SEC or TRACE is the pace")
		}
		c.WaitSeconds = 0
	}
	return c, r.Err()
}

// file must be absolute, because nothing defines the pod's current folder.
var file = settings.Format{Pattern: regexp.MustCompile(`^/.*[^/]$`), Rule: "the absolute path of a file"}
