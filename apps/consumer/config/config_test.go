package config

import (
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
	return map[string]string{"AWS_REGION": "eu-west-1", "RELIABLE_QUEUE_NAME": "q", "DEAD_LETTER_QUEUE_NAME": "d", "STORE_EVENTS_BKT": "b"}
}

func TestDefaultsAreTheDemos(t *testing.T) {
	c, err := Parse(lookup(required()))
	if err != nil {
		t.Fatal(err)
	}
	if c.BatchSize != 5 || c.Total != 10000 || c.ProcessDelay != 10*time.Second || c.Backoff != 2*time.Second || c.BackoffMax != 512*time.Second {
		t.Errorf("defaults: %+v", c)
	}
}

// Each error names the variable, the value and the range, and all come at once.
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
		"STORE_EVENTS_BKT is not set: it names the bucket to store events in",
		`MAX_MSGS_PER_BATCH="11": must be a whole number from 1 to 10`,
		`MSG_PROCESS_DELAY="soon": must be a whole number from 0 to 3600`,
		`LOG_LEVEL="LOUD": must be DEBUG, INFO, WARN or ERROR`,
		`MSG_POLL_BACKOFF_MAX="20s": must not be below MSG_POLL_BACKOFF, 30s`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}
