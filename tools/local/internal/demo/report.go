package demo

import (
	"bytes"
	_ "embed" // the report's page
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
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
	Commit      string  `json:"commit"`
	Uncommitted bool    `json:"uncommitted"`
	Machine     Machine `json:"machine"`
	Verdict     Verdict `json:"verdict"`
	// FirstSent and LastSent are when the burst's first and last events were
	// made.
	FirstSent  float64    `json:"firstSent"`
	LastSent   float64    `json:"lastSent"`
	Latency    Latency    `json:"latency"`
	Throughput Throughput `json:"throughput"`
	Ideal      Ideal      `json:"ideal"`
	// Steps are the HPA's rescales, Moments all that it and KEDA did.
	Steps   []Step   `json:"steps"`
	Moments []Moment `json:"moments"`
	// Samples are about a second apart.
	Samples []Sample `json:"samples"`
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

// record is what a run saw, before anything is made of it.
type record struct {
	started time.Time
	look    *look
	samples []Sample
	// drained is as in the watch, delay the queue's, in seconds.
	drained, delay float64
	scaling        scaling
	rescales       []Rescale
	machine        Machine
	commit         string
	uncommitted    bool
}

// newReport judges and measures a run.
func newReport(r record) Report {
	steps := newSteps(r.samples, r.scaling, r.rescales, r.started)
	sent := r.look.sentAt(r.look.made)
	report := Report{
		Started: r.started.UTC().Truncate(time.Millisecond), Commit: r.commit, Uncommitted: r.uncommitted, Machine: r.machine,
		Verdict:   judge(r.look, r.samples, r.drained, r.scaling),
		FirstSent: -1, LastSent: -1,
		Latency: newLatency(r.look),
		Ideal:   newIdeal(slices.Sorted(slices.Values(slices.Concat(sent, r.look.steadyAt()))), r.delay, r.samples, r.drained),
		Steps:   steps, Moments: newMoments(r.samples, steps, r.scaling), Samples: r.samples,
	}
	if len(sent) > 0 {
		report.FirstSent, report.LastSent = millis(sent[0]), millis(sent[len(sent)-1])
	}
	report.Throughput = newThroughput(r.look.storedAt, report.FirstSent, r.drained)
	return report
}

//go:embed index.html.tmpl
var pageText string

var page = template.Must(template.New("index.html").Funcs(template.FuncMap{
	"count": count, "seconds": seconds, "about": about,
}).Parse(pageText))

// render makes the report's files: the figures as JSON, the chart as SVG, and
// all of it as one page that needs nothing else.
func render(r Report) (map[string][]byte, error) {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("render report.json: %w", err)
	}
	var html bytes.Buffer
	err := page.Execute(&html, map[string]any{
		"Report": r, "Headline": r.headline(), "Facts": r.facts(), "Tiles": r.tiles(), "Timelines": r.timelines(), "Figures": r.Verdict.figures(),
		// The charts are made of numbers and of names in this package.
		"Wide": template.HTML(chart(r, wide)), "Narrow": template.HTML(chart(r, narrow)),
	})
	if err != nil {
		return nil, fmt.Errorf("render index.html: %w", err)
	}
	return map[string][]byte{"report.json": data.Bytes(), "burst.svg": []byte(picture(r)), "index.html": html.Bytes()}, nil
}

func writeReport(dir string, r Report) error {
	files, err := render(r)
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
