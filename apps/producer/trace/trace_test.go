package trace

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want Trace
	}{
		"one line":           {"60,250", Trace{{60, 250}}},
		"comments and space": {"# a day\n\n 60 , 250 # busy\r\n10,0\n", Trace{{60, 250}, {10, 0}}},
		"a burst":            {"0,500\n60,0\n", Trace{{0, 500}, {60, 0}}},
		"the limits":         {"604800,1000000000", Trace{{604800, 1000000000}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("f", strings.NewReader(test.text))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v, %v, want %v", got, err, test.want)
			}
		})
	}
}

// Every error names the file, the line if there is one, and the fix.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "f: no line has a message: write one such as 60,250"},
		"comments alone": {"# nothing\n", "f: no line has a message"},
		"silence alone":  {"60,0\n", "f: no line has a message"},
		"no time":        {"0,5\n0,7\n", "f: every line has 0 seconds, so it would start over without end: add the silence after it, such as 60,0"},
		"one number":     {"60,250\n60\n", `f:2: "60": write seconds,messages, such as 60,250`},
		"a header":       {"seconds,messages\n60,250\n", `f:1: seconds "seconds": must be a whole number from 0 to 604800`},
		"three numbers":  {"60,250,7\n", `f:1: messages "250,7": must be a whole number from 0 to 1000000000`},
		"negative":       {"60,-1\n", `f:1: messages "-1": must be`},
		"a fraction":     {"0.5,1\n", `f:1: seconds "0.5": must be`},
		"too long":       {"604801,1\n", `f:1: seconds "604801": must be`},
		"too many":       {"1,1000000001\n", `f:1: messages "1000000001": must be`},
		"beyond an int":  {"1,99999999999999999999\n", `f:1: messages "99999999999999999999": must be`},
		"an endless line": {
			"60,250\n" + strings.Repeat("6", 100_000),
			"f:2: the line is too long: write seconds,messages, such as 60,250",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f", strings.NewReader(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.csv")
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

// Messages are evenly spread, and a burst comes at once. After the last line the first
// one follows.
func TestCursor(t *testing.T) {
	c := Trace{{2, 4}, {10, 0}, {0, 2}, {1, 1}}.Cursor()
	var got []string
	for range 10 {
		got = append(got, c.Next().String())
	}
	want := []string{"0s", "500ms", "1s", "1.5s", "12s", "12s", "12s", "13s", "13.5s", "14s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The examples that the manifests mount can be replayed.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../deploy/base/traces/*.csv")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example found: %v", err)
	}
	for _, file := range files {
		if _, err := Load(file); err != nil {
			t.Error(err)
		}
	}
}

// A file gives an error that names it, or a trace that can be replayed: time never runs
// backwards, and a replay has the right number of messages.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"60,250", "0,5\n60,0\n", "# x\n1,1\n\n2,3 # y\r\n", "1,1,1", ",", "-1,1", "1,99999999999999999999", "0,1", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := Parse("the file", strings.NewReader(text))
		if err != nil {
			if !strings.Contains(err.Error(), "the file:") || len(trace) > 0 {
				t.Fatalf("%v, %v", trace, err)
			}
			return
		}
		c, last := trace.Cursor(), time.Duration(0)
		for range min(trace.Messages(), 1000) {
			due := c.Next()
			if due < last || due > trace.Duration() {
				t.Fatalf("a message is due at %s, after %s, in a trace of %s", due, last, trace.Duration())
			}
			last = due
		}
		if trace.Messages() <= 1000 && c.Next() < trace.Duration() {
			t.Fatalf("a replay has more than %d messages", trace.Messages())
		}
	})
}
