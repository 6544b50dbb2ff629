package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

func TestLoadTrace(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want trace.Trace // nil for an error
	}{
		"a trace": {"# a shop\n60,5\n0,10\n", trace.Trace{{Seconds: 60, Messages: 5}, {Seconds: 0, Messages: 10}}},
		"CloudWatch's console": {
			"Id,m1\nLabel,NumberOfMessagesSent\nTimestamp,Value\n2026/11/29 10:00:00,120\n2026/11/29 10:05:00,\n2026/11/29 10:10:00,30.0\n",
			trace.Trace{{Seconds: 300, Messages: 120}, {Seconds: 300, Messages: 0}, {Seconds: 300, Messages: 30}},
		},
		"a gap":        {"2026-11-29T10:00:00Z,1\n2026-11-29T10:01:00Z,2\n2026-11-29T11:00:00Z,3\n", trace.Trace{{Seconds: 60, Messages: 1}, {Seconds: 3540, Messages: 2}, {Seconds: 3540, Messages: 3}}},
		"one row":      {"2026-11-29T10:00:00Z,1\n", nil},
		"backwards":    {"2026-11-29T10:01:00Z,1\n2026-11-29T10:00:00Z,1\n", nil},
		"no number":    {"2026-11-29T10:00:00Z,1\n2026-11-29T10:01:00Z,many\n", nil},
		"no message":   {"2026-11-29T10:00:00Z,0\n2026-11-29T10:01:00Z,0\n", nil},
		"nothing else": {"a,b\nc,d\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "t.csv")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := LoadTrace(file)
			if (err == nil) != (test.want != nil) || !slices.Equal(got, test.want) {
				t.Errorf("%v, %v, want %v", got, err, test.want)
			}
		})
	}
	if _, err := LoadTrace("missing.csv"); err == nil {
		t.Error("a missing file is a trace")
	}
}
