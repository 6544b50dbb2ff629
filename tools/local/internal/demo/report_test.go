package demo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
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

// recorded returns the record of a realistic run: a burst that takes ten seconds to send,
// two scale-ups, of which the second waits for the HPA's next look, a drain, and a late
// scale-down.
func recorded() record {
	const perConsumer, burst = 2.4, 1500
	l := newLedger(events.Source{Seed: 1, BadPercent: 10, DuplicatePercent: 4}, burst)
	r := record{
		started: noon, look: newLook(l, "sales-events", noon), delay: 2, commit: "0123456789abcdef0123456789abcdef01234567", uncommitted: true,
		scaling: scaling{Scaling: report.Scaling{Minimum: 1, Maximum: 50, Target: 50, Tolerance: 0.1}, early: 40},
		machine: report.Machine{
			Processor: "Example CPU @ 2.50GHz", Nodes: 1, Cores: 2, Memory: 8 << 30,
			System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-1-amd64", Kubernetes: "v1.36.0",
		},
		rescales: []report.Rescale{
			{At: noon.Add(8 * time.Second), Size: 12, Reason: "external metric s0-aws-sqs-local-reliable-q above target"},
			{At: noon.Add(23 * time.Second), Size: 29, Reason: "external metric s0-aws-sqs-local-reliable-q above target"},
			{At: noon.Add(110 * time.Second), Size: 1, Reason: "All metrics below target"},
		},
	}
	handled := 0.0
	for second := range 114 {
		s := Sample{Seconds: float64(second), Active: second > 2, Desired: wanted(second)}
		s.Pods, s.Ready = wanted(second), started(second)
		due := madeBy(burst, float64(second)-r.delay)
		before := int(handled)
		handled = min(float64(due), handled+float64(s.Ready)*perConsumer)
		for position := before; position < int(handled); position++ {
			r.handle(position, noon.Add(time.Duration(second)*time.Second+250*time.Millisecond))
		}
		s.Delayed = madeBy(burst, float64(second)) - due
		s.InFlight = min(due-int(handled), 5*int(s.Ready))
		s.Visible = due - int(handled) - s.InFlight
		s.Metric = float64(s.Backlog())
		s.Stored, s.DeadLettered = len(r.look.storedAt), r.quarantined()
		r.samples = append(r.samples, s)
	}
	r.samples[20].Metric = -1
	return r
}

// made returns when the event of a position was made, in seconds since the start.
func made(position int) time.Duration {
	return 2200*time.Millisecond + time.Duration(position)*7*time.Millisecond
}

// madeBy returns how many messages of the burst are made by a second.
func madeBy(burst int, second float64) int {
	return sort.Search(burst, func(i int) bool { return made(i).Seconds() > second })
}

// handle stores the event of a position, or quarantines it.
func (r *record) handle(position int, at time.Time) {
	m := r.look.source.At(position)
	b := parseBody([]byte(m.Body(noon.Add(made(position)))))
	switch {
	case m.Duplicate:
	case m.Bad:
		r.look.letter(DeadLetter{RequestID: m.RequestID, Reason: "no store_id", Sent: at, Body: string(b.text)})
	default:
		path := key("sales-events", m.EventType, day(b.TS), m.RequestID)
		if r.look.object(path, at) {
			r.look.read(path, at, b)
		}
	}
}

func (r *record) quarantined() (n int) {
	for _, l := range r.look.dead {
		if l != 0 {
			n++
		}
	}
	return n
}

// wanted returns how many consumers the HPA wants in a second, started how many of them
// are ready.
func wanted(second int) int32 {
	switch {
	case second < 8, second >= 110:
		return 1
	case second < 23:
		return 12
	}
	return 29
}

func started(second int) int32 {
	switch {
	case second < 10, second >= 110:
		return 1
	case second < 23:
		return min(12, int32(second-10)*3+1)
	}
	return min(29, 12+max(0, int32(second-25))*4)
}

func reports() map[string]Report {
	r := recorded()
	strange := newLook(newLedger(events.Source{Seed: 1}, 1), "", noon)
	strange.object("<script>.json", noon)
	return map[string]Report{
		"ok": newReport(r),
		"failed": newReport(record{
			started: noon, look: strange, scaling: r.scaling, samples: []Sample{{Desired: 1, Ready: 1, Metric: -1}},
		}),
	}
}

func TestReport(t *testing.T) {
	for name, r := range reports() {
		files, err := report.Render(r)
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range files {
			golden(t, filepath.Join(name, file), content)
		}
		decoder := xml.NewDecoder(bytes.NewReader(files["burst.svg"]))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: the chart is no XML: %v", name, err)
			}
		}
		page := string(files["index.html"])
		for _, outside := range []string{"src=", "href=", "url(", "@import", "<script", "ZgotmplZ"} {
			if strings.Contains(page, outside) {
				t.Errorf("%s: the page is not self-contained, or not escaped: it has %s", name, outside)
			}
		}
	}
}

// The schema has exactly the fields of a report.
func TestReportFollowsItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "internal", "report", "report.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range reports() {
		file, err := os.Open(filepath.Join("testdata", name, "report.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		document, err := jsonschema.UnmarshalJSON(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		delete(document.(map[string]any), "ideal")
		if schema.Validate(document) == nil {
			t.Errorf("%s: a report without its ideal passes", name)
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
