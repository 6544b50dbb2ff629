// Package table compares predictions of recorded runs with the measurements: the errors
// of the simulation, and of the naive formula. It makes no predictions.
package table

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Row is a recorded run and its predictions.
type Row struct {
	recording.Run
	Ours, Naive report.Prediction
	// OursThen and NaiveThen use the moment at which the HPA looked, so that no chance is
	// left.
	OursThen, NaiveThen report.Prediction
}

// goal is the largest median error of a figure for the held-out runs.
type goal struct {
	name   string
	within float64
	of     func(report.Prediction) report.Spread
	value  func(recording.Figures) float64
}

var goals = []goal{
	{
		"drain", 0.10, func(p report.Prediction) report.Spread { return p.Drain },
		func(f recording.Figures) float64 { return f.Drain },
	},
	{"p99 latency", 0.15, func(p report.Prediction) report.Spread { return p.P99 }, func(f recording.Figures) float64 { return f.P99 }},
	{
		"pod-seconds", 0.05, func(p report.Prediction) report.Spread { return p.PodSeconds },
		func(f recording.Figures) float64 { return f.PodSeconds },
	},
	{"peak", 0, func(p report.Prediction) report.Spread { return p.Peak }, func(f recording.Figures) float64 { return f.Peak }},
}

// The shares that the held-out runs must reach.
const exactPeaks, withinBand = 0.95, 0.90

// Table returns the runs and the medians as Markdown.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| run | shape | setting | held out |")
	for _, g := range goals {
		fmt.Fprintf(&b, " %s: measured | ours | naive |", g.name)
	}
	b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|---|---|", len(goals)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |", r.Name, r.Shape, r.Setting, yes(r.HeldOut))
		for _, g := range goals {
			fmt.Fprintf(&b, " %s | %s | %s |", number(g.value(r.Figures)), cell(g, r.Ours, r), cell(g, r.Naive, r))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nA predicted value is the median, with its error; one in bold is outside of its P5 to P95.\n\n")
	for _, half := range []struct {
		name    string
		heldOut bool
	}{{"runs that were held out", true}, {"runs that the model was made with", false}} {
		summarize(&b, half.name, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.HeldOut != half.heldOut }))
	}
	return b.String()
}

func cell(g goal, p report.Prediction, r Row) string {
	s, measured := g.of(p), g.value(r.Figures)
	text := number(s.P50)
	if e, ok := errorOf(s, measured); ok {
		text += fmt.Sprintf(" (%+.0f %%)", 100*e)
	}
	if !s.Holds(measured) {
		text = "**" + text + "**"
	}
	return text
}

func errorOf(s report.Spread, measured float64) (float64, bool) {
	if measured <= 0 || s.P50 < 0 {
		return 0, false
	}
	return (s.P50 - measured) / measured, true
}

// summarize writes the medians of the errors, and whether they meet the goals.
func summarize(b *strings.Builder, name string, rows []Row) {
	fmt.Fprintf(b, "| %d %s | goal | ours | naive | ours, knowing when the HPA looked | naive, knowing it |\n|---|---|---|---|---|---|\n",
		len(rows), name)
	if len(rows) == 0 {
		b.WriteString("\n")
		return
	}
	sides := []func(Row) report.Prediction{
		func(r Row) report.Prediction { return r.Ours }, func(r Row) report.Prediction { return r.Naive },
		func(r Row) report.Prediction { return r.OursThen }, func(r Row) report.Prediction { return r.NaiveThen },
	}
	for _, g := range goals {
		if g.within == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s, median error | ≤ %.0f %% |", g.name, 100*g.within)
		for _, side := range sides {
			fmt.Fprintf(b, " %s |", verdict(median(rows, g, side), g.within))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "| peak exact | ≥ %.0f %% |", 100*exactPeaks)
	for _, side := range sides {
		fmt.Fprintf(b, " %s |", share(rows, exactPeaks, func(r Row) (int, int) {
			if math.Round(side(r).Peak.P50) == r.Figures.Peak {
				return 1, 1
			}
			return 0, 1
		}))
	}
	fmt.Fprintf(b, "\n| within P5 to P95 | ≥ %.0f %% |", 100*withinBand)
	for _, side := range sides[:2] {
		fmt.Fprintf(b, " %s |", share(rows, withinBand, func(r Row) (held, all int) {
			for _, g := range goals {
				if all++; g.of(side(r)).Holds(g.value(r.Figures)) {
					held++
				}
			}
			return held, all
		}))
	}
	b.WriteString(" | |\n\n")
}

func median(rows []Row, g goal, side func(Row) report.Prediction) float64 {
	var errs []float64
	for _, r := range rows {
		e, ok := errorOf(g.of(side(r)), g.value(r.Figures))
		if !ok {
			e = math.Inf(1)
		}
		errs = append(errs, math.Abs(e))
	}
	slices.Sort(errs)
	return errs[(len(errs)-1)/2]
}

func verdict(value, within float64) string {
	text := fmt.Sprintf("%.1f %%", 100*value)
	if math.IsInf(value, 1) {
		text = "not comparable"
	}
	if value > within {
		text += ", missed"
	}
	return text
}

func share(rows []Row, least float64, of func(Row) (held, all int)) string {
	held, all := 0, 0
	for _, r := range rows {
		h, a := of(r)
		held, all = held+h, all+a
	}
	part := float64(held) / float64(all)
	text := fmt.Sprintf("%.0f %%", 100*part)
	if part < least {
		text += ", missed"
	}
	return text
}

func number(v float64) string {
	switch {
	case v < 0:
		return "never"
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
