// Package show writes predictions: as text with a chart, as a table, as Markdown, as
// JSON, and as a report like make demo's.
package show

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/outcome"
)

const (
	width       = 72 // columns of a chart
	depthRows   = 10
	readyRows   = 5
	axisColumns = 7
)

// Text writes a prediction for a terminal.
func Text(out io.Writer, p outcome.Prediction) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, %d runs, each at another moment of the HPA's period\n", p.Name, p.Load, p.Phases)
	if len(p.Band) > 1 {
		b.WriteString("\n")
		chart(&b, "messages in the queue", p.Band, depthRows, func(point report.BandPoint) report.Spread { return point.Depth })
		chart(&b, "pods ready", p.Band, readyRows, func(point report.BandPoint) report.Spread { return point.Ready })
		fmt.Fprintf(&b, "%*s0 s%*s\n", axisColumns, "", width-3, seconds(p.Band[len(p.Band)-1].Seconds))
		b.WriteString("        █ half of the runs   ░ up to 95 of 100\n")
	}
	b.WriteString("\n")
	fmt.Fprintf(&b, "%-26s %10s %10s %10s\n", "of 100 runs, at most in", "5", "50", "95")
	for _, f := range figures(p) {
		fmt.Fprintf(&b, "%-26s %10s %10s %10s\n", f.name, f.text(f.spread.P5), f.text(f.spread.P50), f.text(f.spread.P95))
	}
	fmt.Fprintf(&b, "%-26s %10s\n", "cost, once", dollars(p.Cost.Burst))
	fmt.Fprintf(&b, "%-26s %10s   %g a day, and the pods between them; %s\n", "cost, a month", dollars(p.Cost.Month),
		p.Cost.BurstsPerDay, p.Cost.Prices)
	if p.Undrained > 0 {
		fmt.Fprintf(&b, "\n%d of %d runs NEVER drain the queue\n", p.Undrained, p.Phases)
	}
	if p.Pending > 0 {
		fmt.Fprintf(&b, "\nup to %d pods find no node\n", p.Pending)
	}
	list(&b, "Why, in the typical run:", p.Why)
	list(&b, "Taken for granted:", p.Assumed)
	_, err := io.WriteString(out, b.String())
	return err
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

// figure is a row of the table.
type figure struct {
	name   string
	spread report.Spread
	text   func(float64) string
}

func figures(p outcome.Prediction) []figure {
	return []figure{
		{"until drained", p.Drain, seconds},
		{"latency, p50", p.P50, seconds},
		{"latency, p95", p.P95, seconds},
		{"latency, p99", p.P99, seconds},
		{"pods ready at the peak", p.Peak, whole},
		{"pod-seconds", p.PodSeconds, whole},
	}
}

func seconds(v float64) string {
	switch {
	case v < 0:
		return "never"
	case v < 9.95:
		return fmt.Sprintf("%.1f s", v)
	case v >= 2*3600:
		return fmt.Sprintf("%.1f h", v/3600)
	default:
		return fmt.Sprintf("%.0f s", v)
	}
}

func whole(v float64) string {
	if v < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f", v)
}

func dollars(v float64) string {
	if v < 1 {
		return fmt.Sprintf("$%.4f", v)
	}
	return fmt.Sprintf("$%.2f", v)
}

// chart draws a band. A column shows the highest value of its time.
func chart(b *strings.Builder, title string, band []report.BandPoint, rows int, of func(report.BandPoint) report.Spread) {
	half, most := make([]float64, width), make([]float64, width)
	highest := 1.0
	for column := range width {
		from, to := column*len(band)/width, max(column*len(band)/width+1, (column+1)*len(band)/width)
		for _, point := range band[from:min(to, len(band))] {
			half[column] = max(half[column], of(point).P50)
			most[column] = max(most[column], of(point).P95)
		}
		highest = max(highest, most[column])
	}
	fmt.Fprintf(b, "%*s%s\n", axisColumns, "", title)
	for row := rows; row >= 1; row-- {
		label := ""
		if row == rows {
			label = fmt.Sprintf("%.0f", highest)
		}
		fmt.Fprintf(b, "%*s │", axisColumns-2, label)
		line := make([]rune, width)
		for column := range width {
			line[column] = cell(half[column]/highest*float64(rows), most[column]/highest*float64(rows), row)
		}
		fmt.Fprintln(b, strings.TrimRight(string(line), " "))
	}
	fmt.Fprintf(b, "%*s └%s\n", axisColumns-2, "0", strings.Repeat("─", width))
}

// eighths are blocks of so many eighths of a row's height.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// cell returns the character in a row for two heights, which are in rows.
func cell(half, most float64, row int) rune {
	full := half - float64(row-1)
	switch {
	case full >= 1:
		return '█'
	case full > 0.06:
		return eighths[int(math.Round(full*8))]
	case most > float64(row-1)+0.5:
		return '░'
	default:
		return ' '
	}
}

// JSON writes everything as JSON.
func JSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
