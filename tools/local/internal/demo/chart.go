package demo

import (
	"fmt"
	"math"
	"strings"
)

// The chart's canvas and the plots' shared x range.
const (
	canvasWidth, canvasHeight = 900, 520
	plotLeft, plotRight       = 60.0, 880.0
)

// panel is one plot: depth and replicas have one each, because two scales in
// one plot invite reading meaning into where the lines cross.
type panel struct {
	title       string
	top, bottom float64
	series      []series
}

type series struct {
	name, class, color string
	value              func(Sample) float64
	// steps holds a value until the next sample: replicas do not slope.
	steps, dashed bool
}

var panels = []panel{
	{"messages in the queue", 50, 270, []series{
		{"visible", "a", "#1f5fa8", func(s Sample) float64 { return float64(s.Visible) }, false, false},
		{"in flight", "b", "#b3450b", func(s Sample) float64 { return float64(s.InFlight) }, false, true},
	}},
	{"consumers", 330, 470, []series{
		{"ready", "d", "#1a7f4b", func(s Sample) float64 { return float64(s.Ready) }, true, false},
		// On top, dashed: most of the time the two are one line.
		{"wanted by the HPA", "c", "#6b3fa0", func(s Sample) float64 { return float64(s.Desired) }, true, true},
	}},
}

// chart draws depth and replicas over time. The colours are attributes, for
// viewers without CSS, and the style turns them for a dark page.
func chart(samples []Sample) string {
	if len(samples) == 0 {
		samples = []Sample{{}}
	}
	end := max(1, samples[len(samples)-1].Seconds)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="queue depth and consumers over time" font-family="system-ui,sans-serif" font-size="13">
<style>@media (prefers-color-scheme:dark){.bg{fill:#16181c}.grid{stroke:#3a3f47}.text{fill:#c9d1d9}.a{stroke:#6cb0ff}.b{stroke:#ff9a5c}.c{stroke:#c39bff}.d{stroke:#5fd39a}}</style>
<rect class="bg" width="%d" height="%d" fill="#ffffff"/>
`, canvasWidth, canvasHeight, canvasWidth, canvasHeight)
	x := func(seconds float64) float64 { return plotLeft + seconds/end*(plotRight-plotLeft) }
	for _, p := range panels {
		p.draw(&b, samples, x, end)
	}
	text(&b, plotRight, canvasHeight-14, "end", "seconds since the burst was asked for")
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, samples []Sample, x func(float64) float64, end float64) {
	highest := 1.0
	for _, line := range p.series {
		for _, s := range samples {
			highest = max(highest, line.value(s))
		}
	}
	step := niceStep(highest / 4)
	highest = math.Ceil(highest/step) * step
	y := func(value float64) float64 { return p.bottom - value/highest*(p.bottom-p.top) }
	for value := 0.0; value <= highest; value += step {
		fmt.Fprintf(b, `<path class="grid" d="M%g %.1fH%g" stroke="#d8dce2"/>`+"\n", plotLeft, y(value), plotRight)
		text(b, plotLeft-8, y(value)+4, "end", fmt.Sprint(value))
	}
	for seconds, step := 0.0, niceStep(end/8); seconds <= end; seconds += step {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %gV%g" stroke="#d8dce2"/>`+"\n", x(seconds), p.top, p.bottom)
		text(b, x(seconds), p.bottom+18, "middle", fmt.Sprint(seconds))
	}
	text(b, plotLeft, p.top-16, "start", p.title)
	for i, line := range p.series {
		fmt.Fprintf(b, `<path class="%s" d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", line.class, line.path(samples, x, y), line.color, line.dash())
		at := plotRight - float64(len(p.series)-i)*190
		fmt.Fprintf(b, `<path class="%s" d="M%g %gh28" stroke="%s" stroke-width="2"%s/>`+"\n", line.class, at, p.top-20, line.color, line.dash())
		text(b, at+36, p.top-16, "start", line.name)
	}
}

func (l series) dash() string {
	if l.dashed {
		return ` stroke-dasharray="6 3"`
	}
	return ""
}

func (l series) path(samples []Sample, x, y func(float64) float64) string {
	var b strings.Builder
	for i, s := range samples {
		at, height := x(s.Seconds), y(l.value(s))
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%.1f %.1f", at, height)
		case l.steps:
			fmt.Fprintf(&b, "H%.1fV%.1f", at, height)
		default:
			fmt.Fprintf(&b, "L%.1f %.1f", at, height)
		}
	}
	return b.String()
}

func text(b *strings.Builder, x, y float64, anchor, words string) {
	fmt.Fprintf(b, `<text class="text" x="%.1f" y="%.1f" text-anchor="%s" fill="#3b4148">%s</text>`+"\n", x, y, anchor, words)
}

// niceStep is the smallest of 1, 2, 5, 10, 20, … that is at least span.
func niceStep(span float64) float64 {
	for power := 1.0; ; power *= 10 {
		for _, digit := range []float64{1, 2, 5} {
			if digit*power >= span {
				return digit * power
			}
		}
	}
}
