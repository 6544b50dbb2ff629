// Package config is the contract of the producer's settings: its environment
// variables, their defaults and ranges. The producer reads it at start, and
// validate reads it to check manifests; it knows neither.
package config

import (
	"log/slog"

	"github.com/mystique-unicorn/sales-events/internal/settings"
)

// Config is the producer's settings.
type Config struct {
	Region string
	// Queue is RELIABLE_QUEUE_NAME.
	Queue string
	// Total is TOT_MSGS_TO_PRODUCE; 0 is no limit.
	Total int
	// WaitSeconds is WAIT_SECS_BETWEEN_MSGS; 0 sends flat out, in batches.
	WaitSeconds int
	// BadPercent and DuplicatePercent are the share of deliberately bad
	// messages, and of messages sent a second time.
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
		WaitSeconds:      r.Int("WAIT_SECS_BETWEEN_MSGS", 2, 0, 3600),
		BadPercent:       r.Int("BAD_MSG_PERCENT", 10, 0, 100),
		DuplicatePercent: r.Int("DUPLICATE_MSG_PERCENT", 5, 0, 100),
		Address:          r.Address("HTTP_ADDR", ":8080"),
		LogLevel:         r.Level("LOG_LEVEL"),
	}
	return c, r.Err()
}
