package record

import (
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

func run(drain float64, peak int32) report.Report {
	return report.Report{
		Verdict: report.Verdict{Produced: 10, TimeToDrain: drain, PeakReplicas: peak}, Latency: report.Latency{P99: drain - 5},
		Samples: []report.Sample{{Pods: peak}, {Seconds: 10, Pods: peak}},
	}
}

func prediction(drain, peak float64) report.Prediction {
	around := func(v float64) report.Spread { return report.Spread{P5: v - 2, P50: v, P95: v + 2} }
	return report.Prediction{Drain: around(drain), P99: around(drain - 5), Peak: around(peak), PodSeconds: around(10 * peak)}
}

func TestWriteAndRead(t *testing.T) {
	dir := t.TempDir()
	want := Trace{Shape: "step", Setting: "today", HeldOut: true, Measured: run(30, 9)}
	if _, err := Write(dir, "one", want); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "one", want); err == nil {
		t.Error("it wrote over a recorded run")
	}
	got, err := Read(dir)
	if err != nil || len(got) != 1 || got[0].Name != "one" || !got[0].HeldOut || got[0].Measured.Verdict.TimeToDrain != 30 {
		t.Errorf("%+v, %v", got, err)
	}
	simulated := want
	simulated.Measured.Simulated = true
	if _, err := Write(dir, "two", simulated); err == nil {
		t.Error("it recorded a simulated run")
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("an empty folder is a table")
	}
}

func TestTable(t *testing.T) {
	text := Table([]Row{
		{Trace{Name: "a", HeldOut: true, Measured: run(30, 9)}, prediction(31, 9), prediction(15, 12)},
		{Trace{Name: "b", HeldOut: true, Measured: run(60, 20)}, prediction(61, 20), prediction(-1, 30)},
		{Trace{Name: "c", Measured: run(60, 20)}, prediction(90, 20), prediction(60, 20)},
	})
	for _, want := range []string{
		"| a |  |  | yes | 30.0 | 31.0 (+3 %) | **15.0 (-50 %)** |",
		"| drain, median error | ≤ 10 % | 1.7 % | 50.0 %, missed |",
		"| peak exact | ≥ 95 % | 100 % | 0 %, missed |",
		"| drain, median error | ≤ 10 % | 50.0 %, missed | 0.0 % |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %s:\n%s", want, text)
		}
	}
}
