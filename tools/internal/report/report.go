// Package report is the report of a burst that went through the pipeline, measured or
// simulated: its figures, its chart, report.json and the page. It knows how none of it
// came about.
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

// Report is a whole run, as report.json holds it; report.schema.json describes
// that file. Moments are seconds since the burst was asked for, and -1 if they
// never came.
type Report struct {
	// Started is when the burst was asked for.
	Started time.Time `json:"started"`
	// Commit is the checkout's, in full. Uncommitted reports whether the
	// checkout had changes besides.
	Commit      string `json:"commit"`
	Uncommitted bool   `json:"uncommitted"`
	// Simulated says that nothing ran in a cluster: the run is a typical one of those that
	// Prediction rests on.
	Simulated bool    `json:"simulated,omitempty"`
	Machine   Machine `json:"machine"`
	Verdict   Verdict `json:"verdict"`
	// FirstSent and LastSent are when the burst's first and last events were
	// made.
	FirstSent  float64    `json:"firstSent"`
	LastSent   float64    `json:"lastSent"`
	Latency    Latency    `json:"latency"`
	Throughput Throughput `json:"throughput"`
	Ideal      Ideal      `json:"ideal"`
	// Steps are the HPA's rescales, Moments everything that it and KEDA did.
	Steps   []Step   `json:"steps"`
	Moments []Moment `json:"moments"`
	// Samples are about a second apart.
	Samples []Sample `json:"samples"`
	// Prediction is what a simulation said before; nil for none.
	Prediction *Prediction `json:"prediction,omitempty"`
	// Why says in words why each step of a simulated run happened.
	Why []string `json:"why,omitempty"`
}

// Machine is what the run ran on, as its cluster's nodes say it.
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

// Evidence is what a run saw, before anything is made of it. Times are seconds since the
// start.
type Evidence struct {
	Started time.Time
	Verdict Verdict
	// Sent is when the messages were made that are judged, in order, First and Last when
	// those of the burst were; -1 for none.
	Sent        []float64
	First, Last float64
	// StoredAt is when objects were written, Took how long those took that are measured:
	// Fine, if it is known in milliseconds.
	StoredAt, Took []float64
	Fine           bool
	Samples        []Sample
	// Delay is the queue's.
	Delay       float64
	Scaling     Scaling
	Rescales    []Rescale
	Machine     Machine
	Commit      string
	Uncommitted bool
}

// New makes the figures of a run that is judged.
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

// Render makes the report's files: the figures as JSON, the chart as SVG, and
// all of it as one page that needs nothing else.
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
		// The charts are made of numbers and of names in this package.
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
