package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/bubble"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/manifest"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/objective"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/show"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/tune"
)

// firstPhases is the number of runs for each candidate, tunePhases the number for those
// that remain. The best one is run in all phases.
const firstPhases, tunePhases = 4, 16

// runTune finds the settings that meet an objective at the least cost.
func (i *invocation) runTune(ctx context.Context) error {
	found, err := i.scenarioAt(ctx, "")
	if err != nil {
		return err
	}
	goal, err := i.goal(found)
	if err != nil {
		return err
	}
	if goal.Burst > 0 && !i.changed("burst") {
		i.burst = goal.Burst
		if found, err = i.complete(found); err != nil {
			return err
		}
	}
	all := tune.Candidates(found.Scenario)
	first, err := i.simulate(ctx, all, bubble.Options{Phases: firstPhases, Slim: true})
	if err != nil {
		return err
	}
	var candidates []scenario.Scenario
	for _, n := range tune.Shortlist(goal, first) {
		candidates = append(candidates, all[n])
	}
	predictions, err := i.simulate(ctx, candidates, bubble.Options{Phases: tunePhases, Slim: true})
	if err != nil {
		return err
	}
	best := tune.Choose(goal, predictions)
	frontier := tune.Frontier(goal, predictions)
	// Today's settings are the first candidate.
	chosen := []scenario.Scenario{candidates[0]}
	if best >= 0 {
		chosen = append(chosen, candidates[best])
	}
	sure, err := i.predict(ctx, chosen, true)
	if err != nil {
		return err
	}
	t := show.Tuned{
		Name: found.Name(), Objective: goal.String(), Candidates: len(all), Today: sure[0],
		TodayMisses: goal.Missed(sure[0].Prediction),
	}
	for _, n := range frontier {
		figure, value := goal.Figure(predictions[n].Prediction)
		t.Frontier = append(t.Frontier, show.Point{
			Settings: tune.Words(candidates[n]), Figure: figure, Value: value, PodSeconds: predictions[n].PodSeconds.P95,
			Meets: goal.Worst(predictions[n].Prediction) <= 1,
		})
	}
	if best < 0 {
		if err := t.Write(i.stdout, i.format); err != nil {
			return err
		}
		return cli.Said(1)
	}
	t.Best, t.Changes = &sure[1], scenario.Changes(candidates[0], candidates[best])
	t.BestMisses = goal.Missed(sure[1].Prediction)
	if i.write {
		edits, err := manifest.Write(i.root, found.Fields, t.Changes)
		if err != nil {
			return err
		}
		t.Written = edits
	}
	return t.Write(i.stdout, i.format)
}

// goal returns the flag's objective, or the annotation's.
func (i *invocation) goal(found scenario.Found) (objective.Objective, error) {
	text := cmp.Or(i.slo, found.Objective)
	if text == "" {
		return objective.Objective{}, cli.Usage(errors.New("--tune needs an objective: say it with --slo, such as --slo 'p99 <= 30s'"))
	}
	o, err := objective.Parse(text)
	if err != nil {
		return o, cli.Usage(err)
	}
	return o, nil
}

// runCheck checks that every ScaledObject with an objective meets it.
func (i *invocation) runCheck(ctx context.Context) error {
	found, err := i.find(ctx, "--objectives")
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no ScaledObject has an objective: annotate one with %s", scenario.ObjectiveAnnotation)
	}
	var scenarios []scenario.Scenario
	var goals []objective.Objective
	for _, f := range found {
		goal, err := objective.Parse(f.Objective)
		if err != nil {
			return fmt.Errorf("%s: annotation %s: %w", f.Name(), scenario.ObjectiveAnnotation, err)
		}
		if goal.Burst > 0 {
			i.burst = goal.Burst
		}
		f, err = i.complete(f)
		if err != nil {
			return err
		}
		scenarios, goals = append(scenarios, f.Scenario), append(goals, goal)
	}
	predictions, err := i.simulate(ctx, scenarios, bubble.Options{Phases: i.phases, Slim: true, Drained: true})
	if err != nil {
		return err
	}
	missed := false
	for n, p := range predictions {
		misses := goals[n].Missed(p.Prediction)
		missed = missed || len(misses) > 0
		verdict := "met"
		if len(misses) > 0 {
			verdict = "MISSED"
		}
		fmt.Fprintf(i.stdout, "%s: %s: %s; in 95 of 100 runs p99 is %.1f s at most, drained after %.1f s\n", p.Name, goals[n], verdict,
			p.P99.P95, p.Drain.P95)
		for _, m := range misses {
			fmt.Fprintf(i.stdout, "  %s\n", m)
		}
	}
	if missed {
		return cli.Said(1)
	}
	return nil
}
