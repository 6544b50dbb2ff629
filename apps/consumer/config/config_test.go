package config

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func required() map[string]string {
	return map[string]string{"AWS_REGION": "eu-west-1", "RELIABLE_QUEUE_NAME": "q", "DEAD_LETTER_QUEUE_NAME": "d", "STORE_EVENTS_BKT": "bkt"}
}

func TestDefaultsAreTheDemos(t *testing.T) {
	c, err := Parse(lookup(required()))
	if err != nil {
		t.Fatal(err)
	}
	if c.Prefix != "sales-events" || c.Address != ":8080" || c.LogLevel != slog.LevelInfo {
		t.Errorf("defaults: %+v", c)
	}
	if c.Concurrency != 1 || c.InHand() != 5 {
		t.Errorf("not one batch after the other: %+v", c)
	}
	if c.BatchSize != 5 || c.Total != 10000 || c.ProcessDelay != 10*time.Second || c.Backoff != 2*time.Second || c.BackoffMax != 512*time.Second {
		t.Errorf("defaults: %+v", c)
	}
}

// Each error names the variable, the value and the range. All errors come at once.
func TestErrorsNameVariableValueAndRange(t *testing.T) {
	env := required()
	delete(env, "STORE_EVENTS_BKT")
	env["MAX_MSGS_PER_BATCH"], env["MSG_PROCESS_DELAY"], env["LOG_LEVEL"] = "11", "soon", "LOUD"
	env["MSG_POLL_BACKOFF"], env["MSG_POLL_BACKOFF_MAX"] = "30", "20"
	_, err := Parse(lookup(env))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"STORE_EVENTS_BKT is not set: it names the bucket to store events in and must be 3 to 63",
		`MAX_MSGS_PER_BATCH="11": must be a whole number from 1 to 10`,
		`MSG_PROCESS_DELAY="soon": must be a whole number from 0 to 3600`,
		`LOG_LEVEL="LOUD": must be DEBUG, INFO, WARN or ERROR`,
		`MSG_POLL_BACKOFF="30": must be at most MSG_POLL_BACKOFF_MAX, which is 20`,
		`MSG_POLL_BACKOFF_MAX="20": must be at least MSG_POLL_BACKOFF, which is 30`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		name, value string
		ok          bool
	}{
		{"MAX_MSGS_PER_BATCH", "1", true},
		{"MAX_MSGS_PER_BATCH", "10", true},
		{"MAX_MSGS_PER_BATCH", "0", false},
		{"CONCURRENCY", "1000", true},
		{"CONCURRENCY", "0", false},
		{"CONCURRENCY", "1001", false},
		{"TOT_MSGS_TO_PROCESS", "0", true},
		{"TOT_MSGS_TO_PROCESS", "-1", false},
		{"MSG_PROCESS_DELAY", "0", true},
		{"MSG_PROCESS_DELAY", "2.5", false},
		{"MSG_POLL_BACKOFF", "512", true},
		{"MSG_POLL_BACKOFF", "513", false}, // above the default of MSG_POLL_BACKOFF_MAX
		{"MSG_POLL_BACKOFF", "0", false},
		{"MSG_POLL_BACKOFF_MAX", "2", true},
		{"MSG_POLL_BACKOFF_MAX", "1", false}, // below the default of MSG_POLL_BACKOFF
		{"MSG_POLL_BACKOFF_MAX", "", false},
		{"S3_PREFIX", "", true},
		{"S3_PREFIX", "a/b=c", true},
		{"S3_PREFIX", "a?b", false},
		{"S3_PREFIX", strings.Repeat("a", 512), true},
		{"S3_PREFIX", strings.Repeat("a", 513), false},
		{"STORE_EVENTS_BKT", "Events", false},
		{"STORE_EVENTS_BKT", "a.b-c.1", true},
		{"STORE_EVENTS_BKT", "a..b", false},
		{"STORE_EVENTS_BKT", "192.168.0.1", false},
		{"STORE_EVENTS_BKT", "192.168.0.events", true},
		{"RELIABLE_QUEUE_NAME", "", false},
		{"RELIABLE_QUEUE_NAME", "q.fifo", false},
		{"DEAD_LETTER_QUEUE_NAME", "q", false}, // the queue itself is no dead-letter queue
		{"AWS_REGION", "us-gov-west-1", true},
		{"AWS_REGION", "eusc-de-east-1", true},
		{"AWS_REGION", "Ireland", false},
		{"HTTP_ADDR", "127.0.0.1:0", true},
		{"HTTP_ADDR", "8080", false},
		{"LOG_LEVEL", "debug", true},
	} {
		env := required()
		env[test.name] = test.value
		_, err := Parse(lookup(env))
		if (err == nil) != test.ok {
			t.Errorf("%s=%q: %v", test.name, test.value, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.name+"="+strconv.Quote(test.value)+": must be ") {
			t.Errorf("the error does not name %s and %q: %v", test.name, test.value, err)
		}
	}
}

func TestInHand(t *testing.T) {
	for _, test := range []struct{ batch, concurrency, want int }{
		{5, 0, 5}, {5, 1, 5}, {10, 2, 10}, {10, 5, 10}, {10, 128, 256},
	} {
		if got := (Config{BatchSize: test.batch, Concurrency: test.concurrency}).InHand(); got != test.want {
			t.Errorf("a batch of %d, CONCURRENCY %d: %d in hand, want %d", test.batch, test.concurrency, got, test.want)
		}
	}
}
