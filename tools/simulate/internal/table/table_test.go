package table

import (
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

func run(name string, heldOut bool, drain, peak float64) recording.Run {
	return recording.Run{
		Name: name, HeldOut: heldOut, Figures: recording.Figures{Drain: drain, P99: drain - 5, Peak: peak, PodSeconds: 10 * peak},
	}
}

func prediction(drain, peak float64) report.Prediction {
	around := func(v float64) report.Spread { return report.Spread{P5: v - 2, P50: v, P95: v + 2} }
	return report.Prediction{Drain: around(drain), P99: around(drain - 5), Peak: around(peak), PodSeconds: around(10 * peak)}
}

func TestTable(t *testing.T) {
	row := func(r recording.Run, ours, naive, then report.Prediction) Row {
		return Row{Run: r, Ours: ours, Naive: naive, OursThen: then, NaiveThen: naive}
	}
	text := Table([]Row{
		row(run("a", true, 30, 9), prediction(31, 9), prediction(15, 12), prediction(30, 9)),
		row(run("b", true, 60, 20), prediction(61, 20), prediction(-1, 30), prediction(61, 21)),
		row(run("c", false, 60, 20), prediction(90, 20), prediction(60, 20), prediction(60, 20)),
	})
	for _, want := range []string{
		"| a |  |  | yes | 30.0 | 31.0 (+3 %) | **15.0 (-50 %)** |",
		"| drain, median error | ≤ 10 % | 1.7 % | 50.0 %, missed | 0.0 % | 50.0 %, missed |",
		"| peak exact | ≥ 95 % | 100 % | 0 %, missed | 50 %, missed | 0 %, missed |",
		"| drain, median error | ≤ 10 % | 50.0 %, missed | 0.0 % | 0.0 % | 0.0 % |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %s:\n%s", want, text)
		}
	}
}
