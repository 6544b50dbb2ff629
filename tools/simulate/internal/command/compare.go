package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// runCompare predicts a measured run from today's manifests, and reports the errors of
// the prediction.
func (i *invocation) runCompare(ctx context.Context) error {
	measured, err := readReport(i.compare)
	if err != nil {
		return cli.Usage(err)
	}
	if measured.Simulated {
		return cli.Usage(fmt.Errorf("%s is a simulated run: compare with one of make demo", i.compare))
	}
	if !i.changed("burst") && i.trace == "" {
		i.burst = measured.Verdict.Produced
	}
	found, err := i.scenarioAt(ctx, "")
	if err != nil {
		return err
	}
	predictions, err := i.predict(ctx, []scenario.Scenario{found.Scenario}, false)
	if err != nil {
		return err
	}
	measured.Prediction = &predictions[0].Prediction
	if i.report != "" {
		if err := report.Write(i.report, measured); err != nil {
			return err
		}
		defer fmt.Fprintf(i.stdout, "\nthe report is %s\n", filepath.Join(i.report, "index.html"))
	}
	fmt.Fprintf(i.stdout, "%s: %s\n\n", predictions[0].Name, predictions[0].Load)
	fmt.Fprintf(i.stdout, "%-24s %28s %12s  %s\n", "", "predicted (5 to 95 of 100)", "measured", "the median is off by")
	for _, c := range measured.Comparison() {
		predicted, value, off := c.Words()
		fmt.Fprintf(i.stdout, "%-24s %28s %12s  %s\n", c.Name, predicted, value, off)
	}
	return nil
}

func readReport(file string) (r report.Report, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s is no report of make demo: %w", file, err)
	}
	if r.Verdict.Produced == 0 || len(r.Samples) == 0 {
		return r, fmt.Errorf("%s: the run has no message or no sample", file)
	}
	return r, nil
}
