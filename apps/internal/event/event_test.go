package event

import (
	"strings"
	"testing"
	"time"
)

const good = `{"request_id":"r-1","store_id":3,"ts":"2026-11-23T09:00:00Z"}`

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		body, eventType string
		// reason says why the event cannot be stored. It is empty if the event can be.
		reason string
	}{
		"a sale":               {good, Sale, ""},
		"inventory":            {good, Inventory, ""},
		"more fields":          {`{"new":1,` + good[1:], Sale, ""},
		"not JSON":             {"sale", Sale, "the body is not an event in JSON"},
		"not an object":        {"[]", Sale, "the body is not an event in JSON"},
		"null":                 {"null", Sale, "no store_id"},
		"two objects":          {good + good, Sale, "the body is not an event in JSON"},
		"no event_type":        {good, "", "no attribute event_type"},
		"a path as a type":     {good, "../x", `unknown event_type "../x"`},
		"no store_id":          {`{"request_id":"r-1","ts":"2026-11-23T09:00:00Z"}`, Sale, "no store_id"},
		"a store out of range": {strings.Replace(good, "3", "11", 1), Sale, "store_id 11: must be 1 to 10"},
		"no request_id":        {strings.Replace(good, "r-1", "", 1), Sale, `request_id "" cannot be part of a key`},
		"a slash":              {strings.Replace(good, "r-1", "a/b", 1), Sale, `request_id "a/b"`},
		"a parent folder":      {strings.Replace(good, "r-1", "..", 1), Sale, `request_id ".."`},
		"a line break":         {strings.Replace(good, "r-1", `a\n`, 1), Sale, `request_id "a\n"`},
		"as long as may be":    {strings.Replace(good, "r-1", strings.Repeat("a", 128), 1), Sale, ""},
		"too long":             {strings.Replace(good, "r-1", strings.Repeat("a", 129), 1), Sale, "cannot be part of a key"},
		"no ts":                {`{"request_id":"r-1","store_id":3}`, Sale, "no ts"},
		"a ts of no time":      {strings.Replace(good, "2026-11-23T09:00:00Z", "today", 1), Sale, "the body is not an event in JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.body, test.eventType)
			if test.reason == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if test.reason != "" && (err == nil || !strings.Contains(err.Error(), test.reason)) {
				t.Errorf("error %v, want %s", err, test.reason)
			}
		})
	}
}

// The key has the event's date in UTC, whatever time zone its timestamp has.
func TestKey(t *testing.T) {
	e := Event{RequestID: "r-1", TS: time.Date(2026, 11, 23, 0, 30, 0, 0, time.FixedZone("", 3600))}
	for prefix, want := range map[string]string{
		"":       "event_type=sale_event/dt=2026_11_22/r-1.json",
		"/":      "event_type=sale_event/dt=2026_11_22/r-1.json",
		"a":      "a/event_type=sale_event/dt=2026_11_22/r-1.json",
		"/a/b//": "a/b/event_type=sale_event/dt=2026_11_22/r-1.json",
	} {
		if got := e.Key(prefix, Sale); got != want {
			t.Errorf("prefix %q: %s, want %s", prefix, got, want)
		}
	}
}
