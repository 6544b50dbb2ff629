package config

import (
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"testing"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func required() map[string]string {
	return map[string]string{"AWS_REGION": "eu-west-1", "RELIABLE_QUEUE_NAME": "q"}
}

func TestDefaultsAreTheDemos(t *testing.T) {
	c, err := Parse(lookup(required()))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Region: "eu-west-1", Queue: "q", Total: 10000, Concurrency: 1, WaitSeconds: 2, BadPercent: 10, DuplicatePercent: 5,
		Address: ":8080", LogLevel: slog.LevelInfo,
	}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		name, value string
		ok          bool
	}{
		{"TOT_MSGS_TO_PRODUCE", "0", true},
		{"TOT_MSGS_TO_PRODUCE", "-1", false},
		{"TOT_MSGS_TO_PRODUCE", "many", false},
		{"WAIT_SECS_BETWEEN_MSGS", "0", true},
		{"WAIT_SECS_BETWEEN_MSGS", "3601", false},
		{"CONCURRENCY", "64", true},
		{"CONCURRENCY", "0", false},
		{"MSGS_PER_SEC", "0", true},
		{"MSGS_PER_SEC", "100001", false},
		{"TRACE", "/traces/day.csv", true},
		{"TRACE", "day.csv", false},
		{"TRACE", "/traces/", false},
		{"TRACE", "", false},
		{"SEED", "9223372036854775807", true},
		{"SEED", "-1", false},
		{"BAD_MSG_PERCENT", "100", true},
		{"BAD_MSG_PERCENT", "101", false},
		{"DUPLICATE_MSG_PERCENT", "", false},
		{"RELIABLE_QUEUE_NAME", "a queue", false},
		{"AWS_REGION", "eu-west", false},
		{"HTTP_ADDR", ":65536", false},
		{"LOG_LEVEL", "INFO+2", false},
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

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := Parse(lookup(map[string]string{"BAD_MSG_PERCENT": "x"}))
	for _, want := range []string{"AWS_REGION is not set", "RELIABLE_QUEUE_NAME is not set", `BAD_MSG_PERCENT="x": must be a whole number from 0 to 100`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s: %v", want, err)
		}
	}
}

// Only one setting gives the pace. With another pace the default wait does not apply, and
// an explicit wait is an error.
func TestOnePace(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string // empty for settings without a conflict
		wait int
	}{
		"the wait":              {map[string]string{"WAIT_SECS_BETWEEN_MSGS": "3"}, "", 3},
		"a rate":                {map[string]string{"MSGS_PER_SEC": "100"}, "", 0},
		"a rate of 0":           {map[string]string{"MSGS_PER_SEC": "0"}, "", 2},
		"a trace":               {map[string]string{"TRACE": "/t"}, "", 0},
		"a rate and no wait":    {map[string]string{"MSGS_PER_SEC": "100", "WAIT_SECS_BETWEEN_MSGS": "0"}, "", 0},
		"a rate and a wait":     {map[string]string{"MSGS_PER_SEC": "100", "WAIT_SECS_BETWEEN_MSGS": "2"}, `WAIT_SECS_BETWEEN_MSGS="2": must be 0 or left out`, 0},
		"a trace and a wait":    {map[string]string{"TRACE": "/t", "WAIT_SECS_BETWEEN_MSGS": "1"}, `WAIT_SECS_BETWEEN_MSGS="1": must be 0 or left out`, 0},
		"a trace and a rate":    {map[string]string{"TRACE": "/t", "MSGS_PER_SEC": "1"}, `TRACE="/t": must be left out, or MSGS_PER_SEC`, 0},
		"a trace and rate of 0": {map[string]string{"TRACE": "/t", "MSGS_PER_SEC": "0"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			env := required()
			maps.Copy(env, test.env)
			c, err := Parse(lookup(env))
			if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if c.WaitSeconds != test.wait {
				t.Errorf("it waits %d s, want %d", c.WaitSeconds, test.wait)
			}
		})
	}
}
