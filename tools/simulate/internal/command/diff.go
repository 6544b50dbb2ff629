package command

import (
	"context"
	"fmt"
	"reflect"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/show"
)

// runDiff says what the working tree does to scaling, against a revision. Both sides run
// the same phases, so that luck is the same.
func (i *invocation) runDiff(ctx context.Context) error {
	after, err := i.scenarioAt(ctx, "")
	if err != nil {
		return err
	}
	before, err := i.scenarioAt(ctx, i.diff)
	if err != nil {
		return fmt.Errorf("at %s: %w", i.diff, err)
	}
	d := show.Difference{Revision: i.diff, Changed: scenario.Changes(before.Scenario, after.Scenario)}
	if reflect.DeepEqual(before.Scenario, after.Scenario) {
		d.Name = after.Name()
		return d.Write(i.stdout, i.format)
	}
	predictions, err := i.predict(ctx, []scenario.Scenario{before.Scenario, after.Scenario}, true)
	if err != nil {
		return err
	}
	d.Name, d.Before, d.After = after.Name(), &predictions[0], &predictions[1]
	return d.Write(i.stdout, i.format)
}
