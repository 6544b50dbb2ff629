// Package report makes the report of a burst through the pipeline, measured or simulated:
// its figures, its chart, report.json and the page. It must not know how the run was
// made.
package report

import (
	"bytes"
	_ "embed" // the report's page
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"time"
)

// Report is a whole run, the content of report.json; report.schema.json describes that
// file. Times are in seconds since the burst was asked for, and -1 if they never came.
type Report struct {
	// Started is when the burst was asked for.
	Started time.Time `json:"started"`
	// Commit is the checkout's full commit hash. Uncommitted reports whether the checkout
	// had other changes.
	Commit      string `json:"commit"`
	Uncommitted bool   `json:"uncommitted"`
	// Simulated means that nothing ran in a cluster: this is a typical one of the
	// simulated runs in Prediction.
	Simulated bool    `json:"simulated,omitempty"`
	Machine   Machine `json:"machine"`
	Verdict   Verdict `json:"verdict"`
	// FirstSent and LastSent are the times at which the burst's first and last event were
	// made.
	FirstSent  float64    `json:"firstSent"`
	LastSent   float64    `json:"lastSent"`
	Latency    Latency    `json:"latency"`
	Throughput Throughput `json:"throughput"`
	Ideal      Ideal      `json:"ideal"`
	// Steps are the HPA's rescales, Moments all actions of the HPA and KEDA.
	Steps   []Step   `json:"steps"`
	Moments []Moment `json:"moments"`
	// Samples are about a second apart.
	Samples []Sample `json:"samples"`
	// Prediction is the prediction of the run; nil for none.
	Prediction *Prediction `json:"prediction,omitempty"`
	// Why explains in words each step of a simulated run.
	Why []string `json:"why,omitempty"`
}

// Machine is the machine of the run, as its cluster's nodes describe it.
type Machine struct {
	// Processor is empty if it is not known.
	Processor string `json:"processor"`
	Nodes     int    `json:"nodes"`
	Cores     int64  `json:"cores"`
	// Memory is in bytes.
	Memory     int64  `json:"memory"`
	System     string `json:"system"`
	Kernel     string `json:"kernel"`
	Kubernetes string `json:"kubernetes"`
}

// Evidence is the raw data of a run. Times are in seconds since the start.
type Evidence struct {
	Started time.Time
	Verdict Verdict
	// Sent has the times at which the judged messages were made, in order; First and Last
	// are those of the burst's first and last message, -1 for none.
	Sent        []float64
	First, Last float64
	// StoredAt has the times at which objects were written, Took the latencies of the
	// measured events. Fine reports whether these have milliseconds.
	StoredAt, Took []float64
	Fine           bool
	Samples        []Sample
	// Delay is the queue's delivery delay.
	Delay       float64
	Scaling     Scaling
	Rescales    []Rescale
	Machine     Machine
	Commit      string
	Uncommitted bool
}

// New computes the figures of a judged run.
func New(e Evidence) Report {
	steps := newSteps(e.Samples, e.Scaling, e.Rescales, e.Started)
	return Report{
		Started: e.Started.UTC().Truncate(time.Millisecond), Commit: e.Commit, Uncommitted: e.Uncommitted, Machine: e.Machine,
		Verdict: e.Verdict, FirstSent: Millis(e.First), LastSent: Millis(e.Last),
		Latency:    newLatency(e.Took, e.Fine),
		Throughput: newThroughput(e.StoredAt, Millis(e.First), e.Verdict.TimeToDrain),
		Ideal:      newIdeal(e.Sent, e.Delay, e.Samples, e.Verdict.TimeToDrain),
		Steps:      steps, Moments: newMoments(e.Samples, steps, e.Scaling), Samples: e.Samples,
	}
}

//go:embed index.html.tmpl
var pageText string

var page = template.Must(template.New("index.html").Funcs(template.FuncMap{
	"count": count, "seconds": seconds, "about": about,
	"comparison": func(c Compared) []string { a, b, off := c.Words(); return []string{a, b, off} },
}).Parse(pageText))

// Render returns the report's files: the figures as JSON, the chart as SVG, and all of it
// as one self-contained page.
func Render(r Report) (map[string][]byte, error) {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("render report.json: %w", err)
	}
	var html bytes.Buffer
	err := page.Execute(&html, map[string]any{
		"Report": r, "Headline": r.headline(), "Facts": r.facts(), "Tiles": r.tiles(), "Timelines": r.timelines(),
		"Figures": r.Verdict.figures(),
		// The charts contain only numbers, and names from this package.
		"Wide": template.HTML(chart(r, wide)), "Narrow": template.HTML(chart(r, narrow)),
	})
	if err != nil {
		return nil, fmt.Errorf("render index.html: %w", err)
	}
	return map[string][]byte{"report.json": data.Bytes(), "burst.svg": []byte(picture(r)), "index.html": html.Bytes()}, nil
}

// Write writes index.html, report.json and burst.svg into a folder.
func Write(dir string, r Report) error {
	files, err := Render(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the report folder: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}
