package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

// Tuned is the result of a search.
type Tuned struct {
	Name       string `json:"name"`
	Objective  string `json:"objective"`
	Candidates int    `json:"candidates"`
	// Today is the prediction for today's settings, with the terms that it misses.
	Today       outcome.Prediction `json:"today"`
	TodayMisses []string           `json:"todayMisses"`
	// Best is nil if no candidate meets the objective.
	Best       *outcome.Prediction `json:"best,omitempty"`
	BestMisses []string            `json:"bestMisses,omitempty"`
	Changes    []scenario.Change   `json:"changes"`
	Frontier   []Point             `json:"frontier"`
	// Written lists the edits of manifests.
	Written []string `json:"written,omitempty"`
}

// Point is a candidate; no other one is both cheaper and better.
type Point struct {
	Settings   string  `json:"settings"`
	Figure     string  `json:"figure"`
	Value      float64 `json:"value"`
	PodSeconds float64 `json:"podSeconds"`
	Meets      bool    `json:"meets"`
}

// barColumns is the length of the longest bar of a frontier.
const barColumns = 30

// Write writes the result as text or json.
func (t Tuned) Write(out io.Writer, format string) error {
	if format == "json" {
		return JSON(out, t)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, in 95 of 100 runs, at the least pod-seconds; %d candidates\n\n", t.Name, t.Objective, t.Candidates)
	t.frontier(&b)
	b.WriteString("\n")
	if t.Best == nil {
		b.WriteString("No candidate meets the objective: the pods that it may have are too few or too slow.\n")
		list(&b, "Today's settings miss it:", t.TodayMisses)
		_, err := io.WriteString(out, b.String())
		return err
	}
	if len(t.Changes) == 0 {
		b.WriteString("Today's settings are the best.\n")
	}
	for _, c := range t.Changes {
		if strings.Contains(c.Before+c.After, "\n") {
			fmt.Fprintf(&b, "%s:\n  before:\n%s  after:\n%s", c.Setting, indented(c.Before), indented(c.After))
			continue
		}
		fmt.Fprintf(&b, "%s: %s → %s\n", c.Setting, c.Before, c.After)
	}
	b.WriteString("\n")
	Difference{Before: &t.Today, After: t.Best}.table(&b, false)
	list(&b, "Today's settings miss the objective:", t.TodayMisses)
	list(&b, fmt.Sprintf("In all %d runs the new ones miss it, too:", t.Best.Phases), t.BestMisses)
	list(&b, "Written:", t.Written)
	_, err := io.WriteString(out, b.String())
	return err
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}

func (t Tuned) frontier(b *strings.Builder) {
	longest := 1.0
	for _, p := range t.Frontier {
		longest = max(longest, p.Value)
	}
	fmt.Fprintf(b, "%-50s %12s %8s\n", "no other is cheaper and better than", "pod-seconds", "figure")
	for _, p := range t.Frontier {
		mark := " "
		if p.Meets {
			mark = "✓"
		}
		bar := barColumns
		if p.Value >= 0 {
			bar = max(1, int(p.Value/longest*barColumns))
		}
		fmt.Fprintf(b, "%-50s %12.0f %8s %s %s\n", p.Settings, p.PodSeconds, seconds(p.Value), mark, strings.Repeat("▇", bar))
	}
}
