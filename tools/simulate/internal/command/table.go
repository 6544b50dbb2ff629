package command

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/table"
)

// runTable predicts every recorded run, and says how far off the predictions are.
func (i *invocation) runTable(ctx context.Context) error {
	recorded, err := recording.Read(filepath.Join(i.root, filepath.FromSlash(recording.Folder)))
	if err != nil {
		return err
	}
	scenarios := make([]scenario.Scenario, len(recorded))
	for n, r := range recorded {
		scenarios[n] = r.Scenario
		if err := i.setParts(&scenarios[n]); err != nil {
			return err
		}
	}
	predictions, err := i.predict(ctx, scenarios, true)
	if err != nil {
		return err
	}
	rows := make([]table.Row, len(recorded))
	for n, r := range recorded {
		rows[n] = table.Row{Run: r, Ours: predictions[n].Prediction, Naive: outcome.Naive(scenarios[n], i.phases)}
	}
	_, err = fmt.Fprint(i.stdout, table.Table(rows))
	return err
}
