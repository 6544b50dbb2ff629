package demo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds got against a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it, then run go test -update\n%s", file, got)
	}
}

// burstSamples are the shape of a real run: a peak, a scale-up in one step, a
// drain and a late scale-down.
func burstSamples() []Sample {
	var samples []Sample
	for second := range 41 {
		s := Sample{Seconds: float64(3 * second), Desired: 1, Current: 1, Ready: 1, Visible: 2}
		switch {
		case second >= 3 && second < 9:
			s.Visible, s.InFlight = 250*(second-2), 5
		case second >= 9 && second < 20:
			s.Visible, s.InFlight = max(0, 1500-150*(second-9)), 150
		}
		if second >= 6 && second < 36 {
			s.Desired, s.Current, s.Ready = 30, 30, 30
		}
		if second >= 6 && second < 8 {
			s.Ready = 8
		}
		s.Stored = min(1278, 60*max(0, second-3))
		samples = append(samples, s)
	}
	return samples
}

func TestReport(t *testing.T) {
	s := scaling{minimum: 1, maximum: 50, target: 50, tolerance: 0.1, early: 40}
	a, x := sent("a", false), sent("x", true)
	good := judge(Evidence{Burst: []Produced{a, again(a), x}, Prefix: "sales-events", Objects: stored("a"), Dead: dead("x")}, burstSamples(), 57, 1500, s)
	failed := judge(Evidence{Burst: []Produced{{RequestID: "<script>"}}}, []Sample{{Desired: 1, Ready: 1}}, -1, 1, s)
	for name, v := range map[string]Verdict{"ok": good, "failed": failed} {
		files, err := render(v)
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range files {
			golden(t, filepath.Join(name, file), content)
		}
		decoder := xml.NewDecoder(bytes.NewReader(files["report.svg"]))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: the chart is no XML: %v", name, err)
			}
		}
		page := string(files["report.html"])
		for _, outside := range []string{"src=", "href=", "url(", "@import", "<script"} {
			if strings.Contains(page, outside) {
				t.Errorf("%s: the page is not self-contained, or not escaped: it has %s", name, outside)
			}
		}
	}
}

func TestNiceStep(t *testing.T) {
	for span, want := range map[float64]float64{0.2: 1, 1: 1, 1.1: 2, 4: 5, 5.5: 10, 375: 500, 501: 1000} {
		if got := niceStep(span); got != want {
			t.Errorf("niceStep(%v) = %v, want %v", span, got, want)
		}
	}
}

func TestDisplay(t *testing.T) {
	samples := []Sample{
		{Desired: 1, Ready: 1},
		{Seconds: 1, Desired: 1, Ready: 1},
		{Seconds: 2, Visible: 1234, InFlight: 5, Delayed: 10, Desired: 30, Ready: 12, Stored: 600, DeadLettered: 150},
		{Seconds: 3, Visible: 1000, InFlight: 60, Desired: 30, Ready: 12, Stored: 700, DeadLettered: 152},
		{Seconds: 4, Visible: 900, InFlight: 150, Desired: 30, Ready: 30, Stored: 800, DeadLettered: 155},
	}
	for name, terminal := range map[string]bool{"pipe": false, "terminal": true} {
		var out bytes.Buffer
		d := newDisplay(&out, terminal)
		for _, s := range samples {
			d.show(s, 1500)
		}
		golden(t, "display-"+name+".txt", out.Bytes())
		for _, line := range strings.Split(out.String(), "\n") {
			if len(strings.TrimLeft(line, "\x1b[?0123456789AJhl")) > 80 {
				t.Errorf("%s: wider than 80 columns: %q", name, line)
			}
		}
	}
	var out bytes.Buffer
	d := newDisplay(&out, true)
	for i := range 100 {
		d.show(Sample{Seconds: float64(i), Desired: int32(i)}, 100)
		if d.drawn > 24 {
			t.Fatalf("%d lines do not fit on one screen", d.drawn)
		}
	}
}
