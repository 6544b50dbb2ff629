package demo

import (
	"slices"
	"strings"
	"testing"
)

func TestParseLog(t *testing.T) {
	a := Produced{RequestID: "a", Bad: true}
	for name, test := range map[string]struct {
		log  string
		want []Produced
	}{
		"nothing":            {"", nil},
		"not JSON":           {"panic: oh\n\n{\"msg\":\n", nil},
		"another message":    {`{"msg":"total reached","total":2}`, nil},
		"no id":              {`{"msg":"event produced"}`, nil},
		"id of another type": {`{"msg":"event produced","request_id":7}`, nil},
		"produced, no newline": {
			`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"event produced","request_id":"a","event_type":"sale_event","bad":true,"duplicate":false,"ts":"2026-01-01T12:00:00Z","sha256":"0a"}`,
			[]Produced{{RequestID: "a", Type: "sale_event", TS: noon, Bad: true, SHA256: "0a"}},
		},
		"CRLF":              {`{"msg":"event produced","request_id":"a","bad":true}` + "\r\n", []Produced{a}},
		"after a long line": {strings.Repeat("x", 3<<20) + "\n" + `{"msg":"event produced","request_id":"a","bad":true}` + "\n", []Produced{a}},
		"between garbage": {"\x00\xff\n" + `{"msg":"event produced","request_id":"a","bad":true}` + "\n[]\nnull\n" +
			`{"msg":"event produced","request_id":"b","duplicate":true}`, []Produced{a, {RequestID: "b", Duplicate: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			sent, err := parseLog(strings.NewReader(test.log))
			if err != nil || !slices.Equal(sent, test.want) {
				t.Errorf("parsed %v, %v, want %v", sent, err, test.want)
			}
		})
	}
}

// A line about a produced message is found exactly once, whatever the lines around it.
func FuzzParseLog(f *testing.F) {
	for _, seed := range []string{"", "x", "{", "null", `{"msg":"event produced"}`, "a\nb\r\n", "\x00\xff", `{"msg":"event produced","request_id":"b"}`} {
		f.Add(seed, seed)
	}
	const line = `{"msg":"event produced","request_id":"the one","bad":true}`
	f.Fuzz(func(t *testing.T, before, after string) {
		alone, err := parseLog(strings.NewReader(before + "\n" + after))
		if err != nil {
			t.Fatal(err)
		}
		all, err := parseLog(strings.NewReader(before + "\n" + line + "\n" + after))
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != len(alone)+1 || !slices.Contains(all, Produced{RequestID: "the one", Bad: true}) {
			t.Errorf("found %v, without the line %v", all, alone)
		}
	})
}
