package recording

import (
	"reflect"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// TestRoundTrip: a written run can be read, and is not replaced; a run that did not
// finish is rejected.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if all, err := Read(dir); err != nil || len(all) > 0 {
		t.Fatalf("an empty folder: %v, %v", all, err)
	}
	started := 1.5
	r := New(report.Report{
		Commit:  "c",
		Verdict: report.Verdict{TimeToDrain: 40.5, PeakReplicas: 2},
		Latency: report.Latency{P50: 1, P95: 2, P99: 3, Histogram: []int{1, 0, 2}},
		Samples: []report.Sample{
			{Seconds: 0.25, Visible: 1, InFlight: 2, Delayed: 3, Desired: 2, Pods: 1, Ready: 1, Stored: 4},
			{Seconds: 1.25, Desired: 2, Pods: 2, Ready: 2, Stored: 7},
		},
		Steps: []report.Step{},
	}, scenario.Scenario{Cluster: "local"}, []Pod{{Started: &started}})
	r.Name, r.Shape, r.Setting, r.HeldOut = "step-today-1", "step", "today", true
	if r.Figures != (Figures{Drain: 40.5, P50: 1, P95: 2, P99: 3, Peak: 2, PodSeconds: 2}) {
		t.Errorf("figures %+v", r.Figures)
	}
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	all, err := Read(dir)
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], r) {
		t.Errorf("read\n%+v, %v; want\n%+v", all, err, r)
	}
	if err := Write(dir, r); err == nil {
		t.Error("a recorded run is overwritten")
	}
	r.Name, r.Figures.Drain = "other", -1
	if err := Write(dir, r); err == nil {
		t.Error("a run without an end is recorded")
	}
}
