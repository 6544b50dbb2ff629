package command

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/bubble"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/table"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

const (
	// document contains the table; the path is relative to the repository's root.
	document = "docs/simulate.md"
	// goldenRuns change when the model, or a program that it runs, changes.
	goldenRuns = "tools/simulate/internal/world/testdata/golden.json"
)

// runTable predicts every recorded run, and reports the errors of the predictions.
func (i *invocation) runTable(ctx context.Context) error {
	recorded, err := recording.Read(filepath.Join(i.root, filepath.FromSlash(recording.Folder)))
	if err != nil {
		return err
	}
	text := "No run is recorded yet.\n"
	if len(recorded) > 0 {
		if text, err = i.tableOf(ctx, recorded); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(i.stdout, text); err != nil || !i.write {
		return err
	}
	return writeTable(i.root, recorded, text)
}

func (i *invocation) tableOf(ctx context.Context, recorded []recording.Run) (string, error) {
	scenarios := make([]scenario.Scenario, len(recorded))
	for n, r := range recorded {
		scenarios[n] = r.Scenario
		// The model is today's, not the one at the time of the recording.
		scenarios[n].Parts = parts.Local()
		if err := i.setParts(&scenarios[n]); err != nil {
			return "", err
		}
	}
	runs, err := i.runs(ctx, scenarios, bubble.Options{Phases: i.phases, Slim: true})
	if err != nil {
		return "", err
	}
	rows := make([]table.Row, len(recorded))
	for n, r := range recorded {
		ours, naive := runs[n], outcome.Naive(scenarios[n], i.phases)
		add := func(runs []world.Run) report.Prediction { return outcome.New(scenarios[n], runs).Prediction }
		then := at(r, scenarios[n].Parts.SyncPeriod, i.phases)
		rows[n] = table.Row{
			Run: r, Ours: add(ours), Naive: add(naive), OursThen: add(pick(ours, then)), NaiveThen: add(pick(naive, then)),
		}
	}
	return table.Table(rows), nil
}

// at returns the phases in which the HPA looks at about the same moment as in a measured
// run, which its first new pod shows; all phases if no pod was added.
func at(r recording.Run, period time.Duration, of int) (phases []int) {
	for phase := range of {
		phases = append(phases, phase)
	}
	seconds, scaled := r.FirstScaled()
	if !scaled {
		return phases
	}
	looked := math.Mod(seconds, period.Seconds())
	distance := func(phase int) float64 {
		d := math.Abs(world.Phase{Index: phase, Of: of}.Look(period).Seconds() - looked)
		return min(d, period.Seconds()-d)
	}
	slices.SortStableFunc(phases, func(a, b int) int { return cmp.Compare(distance(a), distance(b)) })
	return phases[:max(1, of/16)]
}

func pick(runs []world.Run, phases []int) []world.Run {
	picked := make([]world.Run, len(phases))
	for n, phase := range phases {
		picked[n] = runs[phase]
	}
	return picked
}

// begin is the line before the table in the document. The line after the table says from
// what it was made.
const begin = "<!-- simulate --table -->"

var inDocument = regexp.MustCompile(`(?s)` + begin + `\n(.*?)<!-- made of ([0-9a-f]*) -->\n`)

// writeTable puts the table into the document.
func writeTable(root string, recorded []recording.Run, text string) error {
	made, err := madeOf(root, recorded)
	if err != nil {
		return err
	}
	file := filepath.Join(root, filepath.FromSlash(document))
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	at := inDocument.FindIndex(data)
	if at == nil {
		return fmt.Errorf("%s has no place for the table: a line %s, and later a line <!-- made of -->", file, begin)
	}
	section := fmt.Sprintf("%s\n\n%s\n<!-- made of %s -->\n", begin, text, made)
	return os.WriteFile(file, append(append(data[:at[0]:at[0]], section...), data[at[1]:]...), 0o644)
}

// madeOf returns a digest of the inputs of a table: the recorded runs, the modelled parts
// and the results of the golden runs. It shows whether the table is current without new
// runs, which take minutes.
func madeOf(root string, recorded []recording.Run) (string, error) {
	golden, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(goldenRuns)))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	encoder := json.NewEncoder(h)
	for _, r := range recorded {
		if err := errors.Join(encoder.Encode(r.Name), encoder.Encode(r)); err != nil {
			return "", err
		}
	}
	if err := encoder.Encode(parts.Local()); err != nil {
		return "", err
	}
	h.Write(golden)
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
