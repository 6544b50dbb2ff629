// Package objective reads what a prediction must meet, such as "p99 <= 30s, drain <= 60s
// at burst 1500", and says whether it does. It makes no predictions.
package objective

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Objective is met when every term is, in 95 of 100 runs.
type Objective struct {
	Terms []Term
	// Burst is the load that it is meant for; 0 for any.
	Burst int
}

// Term bounds a figure.
type Term struct {
	Figure string
	Limit  time.Duration
}

// figures are what a term may bound.
var figures = map[string]func(report.Prediction) report.Spread{
	"p50":   func(p report.Prediction) report.Spread { return p.P50 },
	"p95":   func(p report.Prediction) report.Spread { return p.P95 },
	"p99":   func(p report.Prediction) report.Spread { return p.P99 },
	"drain": func(p report.Prediction) report.Spread { return p.Drain },
}

const form = `write terms such as "p99 <= 30s" of p50, p95, p99 or drain, with commas between them and at the end perhaps "at burst 1500"`

// Parse reads an objective.
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

// String is the objective as Parse reads it.
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

// Missed are the terms that a prediction does not meet in 95 of 100 runs, in words.
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

// Worst is by how much the prediction misses the term that it misses most: 1 is just met.
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

// Figure is the first term's, by which a frontier is drawn.
func (o Objective) Figure(p report.Prediction) (name string, value float64) {
	t := o.Terms[0]
	return t.Figure, figures[t.Figure](p).P95
}
