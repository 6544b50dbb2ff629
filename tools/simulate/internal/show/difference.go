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

// Difference is what a change does to scaling.
type Difference struct {
	Name     string            `json:"name"`
	Revision string            `json:"revision"`
	Changed  []scenario.Change `json:"changed"`
	// Before and After are nil where nothing differs that scaling depends on.
	Before *outcome.Prediction `json:"before,omitempty"`
	After  *outcome.Prediction `json:"after,omitempty"`
}

// Write writes it as text, markdown or json.
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
	if d.After == nil {
		b.WriteString("\nNothing differs that scaling depends on.\n")
		_, err := io.WriteString(out, b.String())
		return err
	}
	fmt.Fprintf(&b, "\nSimulated: %s, %d runs; the median, and what 5 and 95 of 100 runs do not exceed.\n\n", d.After.Load, d.After.Phases)
	for _, c := range d.Changed {
		if strings.Contains(c.Before+c.After, "\n") {
			fmt.Fprintf(&b, "- %s differs\n", c.Setting)
			continue
		}
		fmt.Fprintf(&b, "- %s: %s → %s\n", c.Setting, c.Before, c.After)
	}
	b.WriteString("\n")
	d.table(&b, markdown)
	if d.After.Undrained > d.Before.Undrained {
		fmt.Fprintf(&b, "\n%d of %d runs never drain the queue, %d before.\n", d.After.Undrained, d.After.Phases, d.Before.Undrained)
	}
	if d.After.Pending > d.Before.Pending {
		fmt.Fprintf(&b, "\nUp to %d pods find no node, %d before.\n", d.After.Pending, d.Before.Pending)
	}
	_, err := io.WriteString(out, b.String())
	return err
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
	after := figures(*d.After)
	for n, f := range figures(*d.Before) {
		row(f.name, f.words(f.spread), f.words(after[n].spread), change(f.spread.P50, after[n].spread.P50))
	}
	row("cost, once", dollars(d.Before.Cost.Burst), dollars(d.After.Cost.Burst), change(d.Before.Cost.Burst, d.After.Cost.Burst))
	row("cost, a month", dollars(d.Before.Cost.Month), dollars(d.After.Cost.Month), change(d.Before.Cost.Month, d.After.Cost.Month))
}

func (f figure) words(s report.Spread) string {
	return fmt.Sprintf("%s (%s to %s)", f.text(s.P50), f.text(s.P5), f.text(s.P95))
}

func change(before, after float64) string {
	switch {
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
