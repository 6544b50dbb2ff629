package command

import (
	"context"
	"fmt"
	"reflect"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/show"
)

// runDiff shows what the working tree changes in scaling, compared with a revision. Both
// sides run the same phases, so that chance is the same.
func (i *invocation) runDiff(ctx context.Context) error {
	after, err := i.side(ctx, "")
	if err != nil {
		return err
	}
	before, err := i.side(ctx, i.diff)
	if err != nil {
		return fmt.Errorf("at %s: %w", i.diff, err)
	}
	d := show.Difference{Revision: i.diff}
	switch {
	case before == nil && after == nil:
		return cli.Usage(fmt.Errorf("cluster %s has no ScaledObject that is meant, nor had it one at %s", i.cluster, i.diff))
	case before == nil:
		d.Name = after.Name()
	case after == nil:
		d.Name = before.Name()
	default:
		d.Name, d.Changed = after.Name(), scenario.Changes(*before, *after)
		if reflect.DeepEqual(before, after) {
			d.Same = true
			return d.Write(i.stdout, i.format)
		}
	}
	if d.Before, d.After, err = i.predictSides(ctx, before, after); err != nil {
		return err
	}
	return d.Write(i.stdout, i.format)
}

// side returns a scenario of a revision or of the working tree; nil if there is none.
func (i *invocation) side(ctx context.Context, revision string) (*scenario.Scenario, error) {
	args := []string{"--optional"}
	if revision != "" {
		args = append(args, "--revision", revision)
	}
	found, err := i.find(ctx, args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	one, err := i.complete(found[0])
	return &one.Scenario, err
}

// predictSides predicts the sides that are not nil.
func (i *invocation) predictSides(ctx context.Context, sides ...*scenario.Scenario) (before, after *outcome.Prediction, err error) {
	var scenarios []scenario.Scenario
	for _, s := range sides {
		if s != nil {
			scenarios = append(scenarios, *s)
		}
	}
	predictions, err := i.predict(ctx, scenarios, true)
	if err != nil {
		return nil, nil, err
	}
	both := [2]*outcome.Prediction{}
	for n, s := range sides {
		if s != nil {
			both[n] = &predictions[0]
			predictions = predictions[1:]
		}
	}
	return both[0], both[1], nil
}
