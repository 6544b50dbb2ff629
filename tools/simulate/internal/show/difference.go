package show

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

// Difference is the effect of a change on scaling.
type Difference struct {
	Name     string            `json:"name"`
	Revision string            `json:"revision"`
	Changed  []scenario.Change `json:"changed"`
	// Same means that no setting which affects scaling differs, so nothing is predicted.
	Same bool `json:"same"`
	// Before is nil for a new ScaledObject, After for a removed one.
	Before *outcome.Prediction `json:"before,omitempty"`
	After  *outcome.Prediction `json:"after,omitempty"`
}

// Write writes the difference as text, markdown or json.
func (d Difference) Write(out io.Writer, format string) error {
	if format == "json" {
		return JSON(out, d)
	}
	var b strings.Builder
	markdown := format == "markdown"
	if markdown {
		b.WriteString("### Scaling: ")
	}
	fmt.Fprintf(&b, "%s, since %s\n", d.Name, d.Revision)
	if d.Same {
		b.WriteString("\nNothing differs that scaling depends on.\n")
	} else {
		d.describe(&b, markdown)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (d Difference) describe(b *strings.Builder, markdown bool) {
	there := d.After
	if there == nil {
		there = d.Before
	}
	fmt.Fprintf(b, "\nSimulated: %s, %d runs; the median, and what 5 and 95 of 100 runs do not exceed.\n\n", there.Load, there.Phases)
	switch {
	case d.Before == nil:
		b.WriteString("- new: there is no such ScaledObject at " + d.Revision + "\n")
	case d.After == nil:
		b.WriteString("- gone: nothing scales the workload any more\n")
	}
	for _, c := range d.Changed {
		if strings.Contains(c.Before+c.After, "\n") {
			fmt.Fprintf(b, "- %s differs\n", c.Setting)
			continue
		}
		fmt.Fprintf(b, "- %s: %s → %s\n", c.Setting, c.Before, c.After)
	}
	b.WriteString("\n")
	d.table(b, markdown)
	undrained := func(p outcome.Prediction) int { return p.Undrained }
	if before, after := count(d.Before, undrained), count(d.After, undrained); after > before {
		fmt.Fprintf(b, "\n%d of %d runs never drain the queue, %d before.\n", after, there.Phases, before)
	}
	pending := func(p outcome.Prediction) int { return p.Pending }
	if before, after := count(d.Before, pending), count(d.After, pending); after > before {
		fmt.Fprintf(b, "\nUp to %d pods find no node, %d before.\n", after, before)
	}
}

func count(p *outcome.Prediction, of func(outcome.Prediction) int) int {
	if p == nil {
		return 0
	}
	return of(*p)
}

func (d Difference) table(b *strings.Builder, markdown bool) {
	row := func(cells ...string) {
		if markdown {
			fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
			return
		}
		fmt.Fprintf(b, "%-24s %26s %26s %10s\n", cells[0], cells[1], cells[2], cells[3])
	}
	row("", "before", "after", "")
	if markdown {
		b.WriteString("|---|---|---|---|\n")
	}
	before, after := columnOf(d.Before), columnOf(d.After)
	for n := range before {
		row(before[n].name, before[n].text, after[n].text, d.change(before[n].value, after[n].value))
	}
}

// line is a figure on one side.
type line struct {
	name, text string
	value      float64
}

// columnOf returns the figures of a prediction; empty cells for none.
func columnOf(p *outcome.Prediction) (lines []line) {
	there := p != nil
	if !there {
		p = &outcome.Prediction{}
	}
	for _, f := range figures(*p) {
		lines = append(lines, line{f.name, f.words(f.spread), f.spread.P50})
	}
	lines = append(lines, line{"cost, once", dollars(p.Cost.Burst), p.Cost.Burst}, line{"cost, a month", dollars(p.Cost.Month), p.Cost.Month})
	if !there {
		for n := range lines {
			lines[n].text = ""
		}
	}
	return lines
}

func (f figure) words(s report.Spread) string {
	return fmt.Sprintf("%s (%s to %s)", f.text(s.P50), f.text(s.P5), f.text(s.P95))
}

func (d Difference) change(before, after float64) string {
	switch {
	case d.Before == nil:
		return "new"
	case d.After == nil:
		return "gone"
	case before == after:
		return "="
	case before < 0 || after < 0:
		return "!"
	case before == 0:
		return "new"
	}
	percent := 100 * (after - before) / before
	if math.Abs(percent) < 0.5 {
		return "≈"
	}
	return fmt.Sprintf("%+.0f %%", percent)
}
