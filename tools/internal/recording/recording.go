// Package recording stores measured runs of the local cluster as small files, each with
// the scenario with which the simulation predicts it. The table of docs/simulate.md is
// made from them, and can be made again when the model changes.
//
// It measures nothing and predicts nothing.
package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// Folder is the folder of the recordings, relative to the repository's root.
const Folder = "tools/simulate/traces"

// Run is a measured run.
type Run struct {
	// Name is the file's name without its extension, Shape how the messages came, and
	// Setting the name of the settings.
	Name    string `json:"-"`
	Shape   string `json:"shape"`
	Setting string `json:"setting"`
	// HeldOut means that the run was not looked at while the model was made.
	HeldOut bool `json:"heldOut"`

	Started     time.Time      `json:"started"`
	Commit      string         `json:"commit"`
	Uncommitted bool           `json:"uncommitted"`
	Machine     report.Machine `json:"machine"`
	Figures     Figures        `json:"figures"`
	// FirstSent and LastSent are the times at which the load's first and last message
	// were made.
	FirstSent float64 `json:"firstSent"`
	LastSent  float64 `json:"lastSent"`
	// Latency[i] counts the load's messages that took i whole seconds.
	Latency []int         `json:"latency"`
	Samples Samples       `json:"samples"`
	Pods    []Pod         `json:"pods"`
	Steps   []report.Step `json:"steps"`
	// Scenario is the input for a simulation of the run.
	Scenario scenario.Scenario `json:"scenario"`
}

// Figures are compared with a prediction; report.Prediction defines them.
type Figures struct {
	Drain      float64 `json:"drain"`
	P50        float64 `json:"p50"`
	P95        float64 `json:"p95"`
	P99        float64 `json:"p99"`
	Peak       float64 `json:"peak"`
	PodSeconds float64 `json:"podSeconds"`
}

// Pod has the times at which a scaled pod was created, its program started, it became
// ready, and it was gone. They are in seconds since the load was asked for, negative
// before that, and nil if it did not happen during the run.
type Pod struct {
	Created *float64 `json:"created"`
	Started *float64 `json:"started"`
	Ready   *float64 `json:"ready"`
	Gone    *float64 `json:"gone"`
}

// Samples are written as rows of numbers, because there are more than a hundred.
type Samples []report.Sample

// row has seconds, visible, in flight, delayed, wanted, pods, ready, stored.
type row [8]float64

// MarshalJSON encodes the samples as rows.
func (s Samples) MarshalJSON() ([]byte, error) {
	rows := make([]row, len(s))
	for i, p := range s {
		rows[i] = row{
			p.Seconds, float64(p.Visible), float64(p.InFlight), float64(p.Delayed), float64(p.Desired), float64(p.Pods),
			float64(p.Ready), float64(p.Stored),
		}
	}
	return json.Marshal(rows)
}

// UnmarshalJSON decodes rows.
func (s *Samples) UnmarshalJSON(data []byte) error {
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		return err
	}
	*s = make(Samples, len(rows))
	for i, r := range rows {
		(*s)[i] = report.Sample{
			Seconds: r[0], Visible: int(r[1]), InFlight: int(r[2]), Delayed: int(r[3]), Desired: int32(r[4]), Pods: int32(r[5]),
			Ready: int32(r[6]), Stored: int(r[7]),
		}
	}
	return nil
}

// New returns a recording from a run's report, without a name.
func New(r report.Report, s scenario.Scenario, pods []Pod) Run {
	return Run{
		Started: r.Started, Commit: r.Commit, Uncommitted: r.Uncommitted, Machine: r.Machine,
		Figures: Figures{
			Drain: r.Verdict.TimeToDrain, P50: r.Latency.P50, P95: r.Latency.P95, P99: r.Latency.P99,
			Peak: float64(r.Verdict.PeakReplicas), PodSeconds: report.Millis(r.PodSeconds()),
		},
		FirstSent: r.FirstSent, LastSent: r.LastSent, Latency: r.Latency.Histogram, Samples: r.Samples, Pods: pods, Steps: r.Steps,
		Scenario: s,
	}
}

// FirstScaled returns when the first pod was created during the run; false if none was.
func (r Run) FirstScaled() (seconds float64, found bool) {
	for _, p := range r.Pods {
		if p.Created != nil && *p.Created > 0 && (!found || *p.Created < seconds) {
			seconds, found = *p.Created, true
		}
	}
	return seconds, found
}

// File returns the path of a recording in a folder.
func File(dir, name string) string { return filepath.Join(dir, name+".json") }

// Write writes a run to a file in a folder. It does not replace an existing file.
func Write(dir string, r Run) error {
	if r.Name == "" || len(r.Samples) == 0 || r.Figures.Drain < 0 {
		return errors.New("a run is recorded that has a name, samples and an end")
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(File(dir, r.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Close())
}

// Read reads the runs in a folder, in the order of their names; there may be none.
func Read(dir string) ([]Run, error) {
	files, err := fs.Glob(os.DirFS(dir), "*.json")
	if err != nil {
		return nil, err
	}
	var all []Run
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		r := Run{Name: strings.TrimSuffix(file, ".json")}
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("%s is no recorded run: %w", filepath.Join(dir, file), err)
		}
		all = append(all, r)
	}
	return all, nil
}
