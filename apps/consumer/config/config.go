// Package config defines the consumer's settings: its environment variables, their
// defaults and ranges. The consumer reads them at start, validate to check manifests; the
// package must not know either.
package config

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/mystique-unicorn/sales-events/internal/settings"
)

// Config is the consumer's settings.
type Config struct {
	Region string
	// Queue is RELIABLE_QUEUE_NAME, DeadLetterQueue DEAD_LETTER_QUEUE_NAME.
	Queue, DeadLetterQueue string
	// Bucket is STORE_EVENTS_BKT, Prefix S3_PREFIX.
	Bucket, Prefix string
	// BatchSize is MAX_MSGS_PER_BATCH, 1 to 10.
	BatchSize int
	// Concurrency is CONCURRENCY, the number of messages that are stored at the same
	// time; 1 handles one batch after the other.
	Concurrency int
	// Total is TOT_MSGS_TO_PROCESS, the number of messages after which the consumer ends;
	// 0 is no limit.
	Total int
	// ProcessDelay is MSG_PROCESS_DELAY, a wait before each batch is processed.
	ProcessDelay time.Duration
	// Backoff is MSG_POLL_BACKOFF, the sleep after an empty receive. It doubles up to
	// BackoffMax, MSG_POLL_BACKOFF_MAX, and then starts again at Backoff.
	Backoff, BackoffMax time.Duration
	// Address is HTTP_ADDR, for health and metrics.
	Address  string
	LogLevel slog.Level
}

// prefix allows only the characters that S3 documents as safe in keys; empty means no
// prefix.
var prefix = settings.Format{
	Pattern: regexp.MustCompile(`^[A-Za-z0-9!_.*'()=/-]*$`),
	Max:     512,
	Rule:    "at most 512 letters, digits and any of ! - _ . * ' ( ) = /",
}

// Parse reads the settings. The error joins every bad variable, each with its
// value and range.
func Parse(lookup func(string) (string, bool)) (Config, error) {
	r := settings.NewReader(lookup)
	seconds := func(name string, fallback, low, high int) time.Duration {
		return time.Duration(r.Int(name, fallback, low, high)) * time.Second
	}
	c := Config{
		Region:          r.Required("AWS_REGION", "the AWS region of the queue and the bucket", settings.Region),
		Queue:           r.Required("RELIABLE_QUEUE_NAME", "the queue to receive from", settings.Queue),
		DeadLetterQueue: r.Required("DEAD_LETTER_QUEUE_NAME", "the queue for messages that can never be stored", settings.Queue),
		Bucket:          r.Required("STORE_EVENTS_BKT", "the bucket to store events in", settings.Bucket),
		Prefix:          r.Text("S3_PREFIX", "sales-events", prefix),
		BatchSize:       r.Int("MAX_MSGS_PER_BATCH", 5, 1, 10),
		Concurrency:     r.Int("CONCURRENCY", 1, 1, MaxConcurrency),
		Total:           r.Int("TOT_MSGS_TO_PROCESS", 10000, 0, 1<<31-1),
		ProcessDelay:    seconds("MSG_PROCESS_DELAY", 10, 0, 3600),
		Backoff:         seconds("MSG_POLL_BACKOFF", 2, 1, 3600),
		BackoffMax:      seconds("MSG_POLL_BACKOFF_MAX", 512, 1, 3600),
		Address:         r.Address("HTTP_ADDR", ":8080"),
		LogLevel:        r.Level("LOG_LEVEL"),
	}
	if c.BackoffMax < c.Backoff {
		// Only one of the two may be set.
		low, high := int(c.Backoff.Seconds()), int(c.BackoffMax.Seconds())
		r.Refuse("MSG_POLL_BACKOFF", fmt.Sprintf("at most MSG_POLL_BACKOFF_MAX, which is %d", high))
		r.Refuse("MSG_POLL_BACKOFF_MAX", fmt.Sprintf("at least MSG_POLL_BACKOFF, which is %d", low))
	}
	if c.DeadLetterQueue == c.Queue {
		r.Refuse("DEAD_LETTER_QUEUE_NAME", "another queue than RELIABLE_QUEUE_NAME: a bad message would circle for ever")
	}
	return c, r.Err()
}
