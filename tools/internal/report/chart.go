package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// size is the size of a chart: one for a page or a README, one for a phone, on which a
// wide chart would be too small to read.
type size struct {
	width, left, right float64
	// font is the text's height, ticks the approximate number of ticks on the time axis.
	font, ticks float64
	// depth, consumers and stored are the heights of the plots.
	depth, consumers, stored float64
}

var (
	// alone is for a README: its text is larger, so that it stays readable when scaled
	// down.
	alone  = size{width: 760, left: 58, right: 742, font: 14, ticks: 10, depth: 230, consumers: 100, stored: 70}
	wide   = size{width: 880, left: 56, right: 864, font: 13, ticks: 10, depth: 230, consumers: 100, stored: 70}
	narrow = size{width: 380, left: 42, right: 370, font: 12, ticks: 5, depth: 200, consumers: 90, stored: 60}
)

// style is for light and for dark pages. Blue is waiting messages, orange consumers: two
// colours that people with any kind of colour blindness can distinguish. Text has a halo
// in the background's colour, so that no line runs through it.
const style = `<style>
.burst{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.burst path{fill:none}
.burst text{fill:#59636e;stroke:#fff;stroke-width:3;stroke-linejoin:round;paint-order:stroke}
.burst .bg{fill:#fff}
.burst .ink{fill:#1f2328}
.burst .head{font-weight:600}
.burst .grid{stroke:#e4e8ec}
.burst .axis{stroke:#b7bfc8}
.burst .moment{stroke:#59636e;stroke-dasharray:2 3}
.burst .flight{fill:#0b4f8a}
.burst .visible{fill:#4c9be0}
.burst .delayed{fill:#b9d9f5}
.burst .ideal{stroke:#1f2328;stroke-width:1.75;stroke-dasharray:6 4}
.burst .ready{stroke:#c2500a;stroke-width:2}
.burst .fleet{fill:#c2500a;fill-opacity:.16}
.burst .wanted{stroke:#c2500a;stroke-width:1.25;stroke-dasharray:3 3}
.burst .stored{fill:#6e7781}
.burst .keda{fill:#0b4f8a}
.burst .hpa{fill:#c2500a}
.burst .band{fill:#8250df;fill-opacity:.18;stroke:#8250df;stroke-opacity:.55}
@media (prefers-color-scheme:dark){
.burst text{fill:#9198a1;stroke:#0d1117}
.burst .bg{fill:#0d1117}
.burst .ink{fill:#f0f6fc}
.burst .grid{stroke:#21262d}
.burst .axis{stroke:#3d444d}
.burst .moment{stroke:#9198a1}
.burst .flight,.burst .keda{fill:#9fd0ff}
.burst .visible{fill:#3d8bd4}
.burst .delayed{fill:#1d4670}
.burst .ideal{stroke:#f0f6fc}
.burst .ready,.burst .wanted{stroke:#ff9d57}
.burst .fleet,.burst .hpa{fill:#ff9d57}
.burst .stored{fill:#8b949e}
.burst .band{fill:#d2a8ff;fill-opacity:.2;stroke:#d2a8ff;stroke-opacity:.6}
}
</style>
`

// canvas draws a chart from top to bottom.
type canvas struct {
	size
	strings.Builder
	// y is where the next element goes, end the last second.
	y, end float64
}

// chart draws the run for a page that has the explanations as text.
func chart(r Report, s size) string {
	c := newCanvas(r, s)
	c.plots(r)
	return c.svg(r)
}

// picture returns the chart on its own, with a title and its origin.
func picture(r Report) string {
	c := newCanvas(r, alone)
	c.y = 34
	fmt.Fprintf(c, `<text class="ink head" x="16" y="%g" font-size="19">%s</text>`+"\n", c.y, html.EscapeString(shortened(r.headline(), 72)))
	c.y += 22
	fmt.Fprintf(c, `<text x="16" y="%g">%s</text>`+"\n", c.y, html.EscapeString(shortened(r.source(), 110)))
	c.y += 14
	c.plots(r)
	return c.svg(r)
}

func shortened(text string, runes int) string {
	if all := []rune(text); len(all) > runes {
		return string(all[:runes-1]) + "…"
	}
	return text
}

// source returns one line about a picture's origin.
func (r Report) source() string {
	return joined(r.origin(), r.Started.UTC().Format("2 January 2006"), plural(int(r.Machine.Cores), "core"), "commit "+r.commit())
}

func newCanvas(r Report, s size) *canvas {
	_, last := r.ends()
	c := &canvas{size: s, end: max(1, last.Seconds)}
	// Larger numbers need more room beside the axis.
	c.left = max(c.left, c.textWidth(count(int(r.deepest())))+12)
	return c
}

// svg finishes the picture: only now is its height known.
func (c *canvas) svg(r Report) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="burst" viewBox="0 0 %g %.0f" role="img" font-size="%g">
<title>%s</title>
<desc>%s</desc>
%s<rect class="bg" width="%g" height="%.0f" rx="6"/>
%s</svg>
`, c.width, c.y, c.font, html.EscapeString(r.headline()), html.EscapeString(r.description()), style, c.width, c.y, c.String())
}

// description describes the chart for readers who do not see it.
func (r Report) description() string {
	v, deepest := r.Verdict, 0
	for _, s := range r.Samples {
		deepest = max(deepest, s.Depth())
	}
	_, last := r.ends()
	text := fmt.Sprintf("Messages in the queue, consumers and events stored over %s. The queue holds %s messages at its peak; "+
		"%d consumers are ready at theirs, %s; the queue is drained %s.",
		span(last.Seconds), count(deepest), v.PeakReplicas, when(v.TimeToPeak), when(v.TimeToDrain))
	if r.Ideal.Drained >= 0 {
		text += fmt.Sprintf(" With all %d from the first second it would have been drained after %s.", r.Ideal.Consumers, span(r.Ideal.Drained))
	}
	return text
}

// plots draws depth, moments, consumers and throughput below each other, on a common time
// axis. Each has its own scale: with two scales in one plot, readers look for a meaning
// where lines cross.
func (c *canvas) plots(r Report) {
	c.depthPlot(r)
	c.lanes(r.Moments)
	c.consumersPlot(r)
	c.storedPlot(r)
	c.timeAxis()
}

func (c *canvas) x(seconds float64) float64 {
	return c.left + min(seconds, c.end)/c.end*(c.right-c.left)
}

// frame is the position and scale of a plot.
type frame struct{ top, bottom, highest float64 }

func (f frame) y(value float64) float64 { return f.bottom - value/f.highest*(f.bottom-f.top) }

// word is a part of a plot's title, with the mark that it explains.
type word struct{ class, text string }

// frame begins a plot: it draws the title, which is also the legend, and the grid.
func (c *canvas) frame(height, highest float64, title string, words ...word) frame {
	c.y += 2.4 * c.font
	at := c.left
	c.text("ink head", at, c.y, "start", title)
	at += 1.15*c.textWidth(title) + 14
	for _, w := range words {
		if at+c.textWidth(w.text)+18 > c.right {
			at, c.y = c.left, c.y+1.5*c.font
		}
		c.mark(w.class, at, c.y)
		c.text("", at+16, c.y, "start", w.text)
		at += c.textWidth(w.text) + 32
	}
	step := niceStep(highest / max(2, math.Round(height/55)))
	f := frame{top: c.y + 0.9*c.font, highest: math.Ceil(highest/step) * step}
	f.bottom = f.top + height
	for value := step; value <= f.highest; value += step {
		fmt.Fprintf(c, `<path class="grid" d="M%g %.1fH%g"/>`+"\n", c.left, f.y(value), c.right)
	}
	for value := 0.0; value <= f.highest; value += step {
		c.text("", c.left-7, f.y(value)+0.35*c.font, "end", count(int(value)))
	}
	c.y = f.bottom
	return f
}

// base draws the base line. It is drawn over the areas, so that it stays visible.
func (c *canvas) base(f frame) {
	fmt.Fprintf(c, `<path class="axis" d="M%g %.1fH%g"/>`+"\n", c.left, f.bottom, c.right)
}

// mark draws an area's square or a line's dash.
func (c *canvas) mark(class string, x, y float64) {
	switch class {
	case "ideal", "wanted", "ready":
		fmt.Fprintf(c, `<path class="%s" d="M%.1f %.1fh13"/>`+"\n", class, x, y-0.35*c.font)
	default:
		fmt.Fprintf(c, `<rect class="%s" x="%.1f" y="%.1f" width="11" height="11" rx="2"/>`+"\n", class, x, y-0.8*c.font)
	}
}

// textWidth returns the approximate width of a text in a common font.
func (c *canvas) textWidth(text string) float64 { return 0.6 * c.font * float64(len([]rune(text))) }

func (c *canvas) text(class string, x, y float64, anchor, words string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(c, `<text%s x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(words))
}

func (c *canvas) timeAxis() {
	c.y += 1.5 * c.font
	step := niceStep(c.end / c.ticks)
	for at := 0.0; at <= c.end; at += step {
		label := count(int(at))
		if at == 0 {
			label = "0 s"
		}
		c.text("", c.x(at), c.y, "middle", label)
	}
	c.y += 1.5 * c.font
	c.text("", c.right, c.y, "end", "seconds since the burst was asked for")
	c.y += 0.8 * c.font
}

// niceStep returns the smallest of 1, 2, 5, 10, 20, … that is at least span.
func niceStep(span float64) float64 {
	for power := 1.0; ; power *= 10 {
		for _, digit := range []float64{1, 2, 5} {
			if digit*power >= span {
				return digit * power
			}
		}
	}
}
