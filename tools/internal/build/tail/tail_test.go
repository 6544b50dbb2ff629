package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for text, want := range map[string]string{"": "", "one\n": "one", "one\ntwo": "one\ntwo", "one\ntwo\nthree\n\n": "two\nthree"} {
		if got := Lines([]byte(text), 2); got != want {
			t.Errorf("of %q: %q, want %q", text, got, want)
		}
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if got := File(file, 2); !strings.Contains(got, "no such file") {
		t.Errorf("of an absent file: %q", got)
	}
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := File(file, 1); got != "two" {
		t.Errorf("the last line is %q", got)
	}
}
