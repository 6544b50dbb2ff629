package progress

import (
	"bytes"
	"testing"
	"testing/synctest"
)

// A terminal shows the current step in one line that changes in place; a pipe gets only
// finished steps.
func TestLog(t *testing.T) {
	for name, test := range map[string]struct {
		terminal bool
		want     string
	}{
		"pipe": {false, "   0.0s  one\n   0.0s  two\n   0.0s  three\n"},
		"terminal": {true, "\x1b[?7l   0.0s  1 of 2\x1b[?7h" +
			"\r\x1b[K\x1b[?7l   0.0s  2 of 2\x1b[?7h" +
			"\r\x1b[K   0.0s  one\n   0.0s  two\n   0.0s  three\n" +
			"\x1b[?7l   0.0s  more\x1b[?7h\r\x1b[K"},
	} {
		// In a bubble the log's times are all zero.
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				l := New(&out)
				if l.Terminal() {
					t.Error("a buffer is taken for a terminal")
				}
				l.terminal = test.terminal
				l.Doing("1 of %d", 2)
				l.Doing("2 of %d", 2)
				l.Done("%s", "one")
				if n, err := l.Write([]byte("two\nthree\n")); n != 10 || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
				l.Doing("more")
				l.Wipe()
				if out.String() != test.want {
					t.Errorf("printed %q, want %q", &out, test.want)
				}
			})
		})
	}
}
