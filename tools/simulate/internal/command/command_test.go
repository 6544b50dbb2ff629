package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/bubble"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

// TestMain also serves as the process that simulates.
func TestMain(m *testing.M) {
	bubble.ServeIfAsked()
	os.Exit(m.Run())
}

func execute(args ...string) (code int, out, said string) {
	var stdout, stderr bytes.Buffer
	code = Execute(args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"--format=xml":                {"--format", "xml"},
		"--phases=0":                  {"--phases", "0"},
		"--burst=0":                   {"--burst", "0"},
		"--burst and --trace":         {"--burst", "5", "--trace", "x.csv"},
		"choose one":                  {"--tune", "--check"},
		"--write goes with":           {"--write"},
		"--slo goes with":             {"--slo", "p99 <= 1s"},
		"--format=markdown goes with": {"--format", "markdown"},
		"unknown argument":            {"x"},
		"there is no part luck":       {"--part", "luck=1s"},
		"cluster moon has no":         {"--cluster", "moon"},
		"write a duration such as":    {"--service-time", "soon"},
		"no such file":                {"--trace", "missing.csv"},
		"write terms such as":         {"--tune", "--slo", "fast"},
		"is no report of make demo":   {"--compare", "command.go"},
	} {
		if code, _, said := execute(args...); code != 2 || !strings.Contains(said, want) {
			t.Errorf("%q: exit code %d, %q, want 2 and %q", args, code, said, want)
		}
	}
}

// TestPredict reads this repository, simulates a burst, and writes the report. A
// comparison with the report of a simulated run is an error.
func TestPredict(t *testing.T) {
	dir := t.TempDir()
	code, out, said := execute("--burst", "300", "--phases", "4", "--format", "json", "--report", dir)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	var p outcome.Prediction
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	if p.Phases != 4 || p.Peak.P50 < 5 || p.Peak.P50 > 7 || p.Drain.P50 < 15 || p.Drain.P50 > 60 || len(p.Why) == 0 || len(p.Band) < 30 {
		t.Errorf("%d runs, %+v pods, drained after %+v, why %q", p.Phases, p.Peak, p.Drain, p.Why)
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil || !r.Simulated || !r.Verdict.OK || r.Prediction.Phases != 4 {
		t.Errorf("report.json: %v, %t, %+v", err, r.Simulated, r.Verdict)
	}
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil || !strings.Contains(string(page), "<h1>Simulated: ") || !strings.Contains(string(page), `class="band"`) || strings.Contains(string(page), "ZgotmplZ") {
		t.Errorf("the page does not say that it is simulated, or has no band: %v", err)
	}
	if code, _, said := execute("--compare", filepath.Join(dir, "report.json")); code != 2 || !strings.Contains(said, "is a simulated run") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestText(t *testing.T) {
	code, out, said := execute("--burst", "200", "--phases", "2")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for _, want := range []string{"local: sales-events-consumer-ns/consumer", "messages in the queue", "until drained", "the HPA 1 → ", "cost, a month", "█"} {
		if !strings.Contains(out, want) {
			t.Errorf("the text lacks %q:\n%s", want, out)
		}
	}
}

// BenchmarkTune runs the whole search around the settings of the local cluster, with an
// objective that is hard for every candidate.
func BenchmarkTune(b *testing.B) {
	for b.Loop() {
		begun := time.Now()
		code, out, said := execute("--tune", "--slo", "p99 <= 30s", "--format", "json")
		if code != 0 {
			b.Fatalf("exit code %d: %s", code, said)
		}
		var t struct{ Candidates int }
		if err := json.Unmarshal([]byte(out), &t); err != nil {
			b.Fatal(err)
		}
		took := time.Since(begun)
		b.ReportMetric(float64(t.Candidates), "candidates")
		b.ReportMetric(took.Seconds()/float64(t.Candidates), "s/candidate")
		if t.Candidates < 200 || took > time.Minute {
			b.Errorf("%d candidates took %s, wanted are 200 within a minute", t.Candidates, took)
		}
	}
}
