package command

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/record"
)

// traces is where recorded runs are, from the repository's root.
const traces = "tools/simulate/traces"

// keep records the run that is compared, if that is wanted.
func (i *invocation) keep(s scenario.Scenario, measured report.Report) error {
	if i.record == "" {
		return nil
	}
	file, err := record.Write(filepath.Join(i.root, filepath.FromSlash(traces)), i.record, record.Trace{
		Shape: i.shape, Setting: i.setting, HeldOut: i.heldOut, Scenario: s, Measured: measured,
	})
	if err == nil {
		fmt.Fprintf(i.stdout, "\nrecorded as %s\n", file)
	}
	return err
}

// runTable predicts every recorded run, and says how far off the predictions are.
func (i *invocation) runTable(ctx context.Context) error {
	recorded, err := record.Read(filepath.Join(i.root, filepath.FromSlash(traces)))
	if err != nil {
		return err
	}
	scenarios := make([]scenario.Scenario, len(recorded))
	for n, t := range recorded {
		scenarios[n] = t.Scenario
		if err := i.setParts(&scenarios[n]); err != nil {
			return err
		}
	}
	predictions, err := i.predict(ctx, scenarios, true)
	if err != nil {
		return err
	}
	rows := make([]record.Row, len(recorded))
	for n, t := range recorded {
		rows[n] = record.Row{Trace: t, Ours: predictions[n].Prediction, Naive: outcome.Naive(scenarios[n], i.phases)}
	}
	_, err = fmt.Fprint(i.stdout, record.Table(rows))
	return err
}
