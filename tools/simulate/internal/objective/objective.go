// Package objective parses objectives, such as "p99 <= 30s, drain <= 60s at burst 1500",
// and checks whether a prediction meets them. It makes no predictions.
package objective

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Objective is met if every term holds in 95 of 100 runs.
type Objective struct {
	Terms []Term
	// Burst is the load for which it is meant; 0 means any.
	Burst int
}

// Term limits a figure.
type Term struct {
	Figure string
	Limit  time.Duration
}

// figures are the figures that a term may limit.
var figures = map[string]func(report.Prediction) report.Spread{
	"p50":   func(p report.Prediction) report.Spread { return p.P50 },
	"p95":   func(p report.Prediction) report.Spread { return p.P95 },
	"p99":   func(p report.Prediction) report.Spread { return p.P99 },
	"drain": func(p report.Prediction) report.Spread { return p.Drain },
}

const form = `write terms such as "p99 <= 30s" of p50, p95, p99 or drain, with commas between them and at the end perhaps "at burst 1500"`

// Parse parses an objective.
func Parse(text string) (o Objective, err error) {
	terms, burst, limited := strings.Cut(text, " at burst ")
	if limited {
		if o.Burst, err = strconv.Atoi(strings.TrimSpace(burst)); err != nil || o.Burst < 1 {
			return o, fmt.Errorf("objective %q: %q is no number of messages: %s", text, strings.TrimSpace(burst), form)
		}
	}
	for part := range strings.SplitSeq(terms, ",") {
		figure, limit, found := strings.Cut(part, "<=")
		figure = strings.TrimSpace(figure)
		duration, err := time.ParseDuration(strings.TrimSpace(limit))
		if !found || figures[figure] == nil || err != nil || duration <= 0 {
			return o, fmt.Errorf("objective %q: %q: %s", text, strings.TrimSpace(part), form)
		}
		o.Terms = append(o.Terms, Term{figure, duration})
	}
	return o, nil
}

// String returns the objective in the form that Parse reads.
func (o Objective) String() string {
	var terms []string
	for _, t := range o.Terms {
		terms = append(terms, t.Figure+" <= "+t.Limit.String())
	}
	text := strings.Join(terms, ", ")
	if o.Burst > 0 {
		text += " at burst " + strconv.Itoa(o.Burst)
	}
	return text
}

// Missed returns the terms that do not hold in 95 of 100 runs, as text.
func (o Objective) Missed(p report.Prediction) []string {
	var missed []string
	for _, t := range o.Terms {
		switch value := figures[t.Figure](p).P95; {
		case value < 0:
			missed = append(missed, fmt.Sprintf("%s is without end, wanted within %s", t.Figure, t.Limit))
		case value > t.Limit.Seconds():
			missed = append(missed, fmt.Sprintf("%s is %.1f s in 95 of 100 runs, wanted within %s", t.Figure, value, t.Limit))
		}
	}
	return missed
}

// Worst returns the ratio of the value to its limit for the term that is missed most: 1
// means just met.
func (o Objective) Worst(p report.Prediction) float64 {
	worst := 0.0
	for _, t := range o.Terms {
		value := figures[t.Figure](p).P95
		if value < 0 {
			return 1e9
		}
		worst = max(worst, value/t.Limit.Seconds())
	}
	return worst
}

// Figure returns the figure of the first term, by which a frontier is drawn.
func (o Objective) Figure(p report.Prediction) (name string, value float64) {
	t := o.Terms[0]
	return t.Figure, figures[t.Figure](p).P95
}
