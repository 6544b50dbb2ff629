package config

import (
	"log/slog"
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
		Region: "eu-west-1", Queue: "q", Total: 10000, WaitSeconds: 2, BadPercent: 10, DuplicatePercent: 5,
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
