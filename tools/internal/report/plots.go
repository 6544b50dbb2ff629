package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (c *canvas) depthPlot(r Report) {
	highest := r.deepest()
	words := []word{{"delayed", "delayed"}, {"visible", "visible"}, {"flight", "in flight"}}
	if r.Prediction != nil {
		words = append(words, word{"band", "predicted, P5 to P95"})
	}
	f := c.frame(c.depth, highest, "Messages in the queue", words...)
	flight := func(s Sample) float64 { return float64(s.InFlight) }
	due := func(s Sample) float64 { return float64(s.Backlog()) }
	all := func(s Sample) float64 { return float64(s.Depth()) }
	c.area("delayed", r.Samples, f, due, all)
	c.area("visible", r.Samples, f, flight, due)
	c.area("flight", r.Samples, f, func(Sample) float64 { return 0 }, flight)
	c.band(r.Prediction, f, func(p BandPoint) Spread { return p.Depth })
	c.base(f)
	c.decisions(r.Steps, f)
	if r.Ideal.Drained >= 0 {
		var d strings.Builder
		for i, p := range r.Ideal.Line {
			fmt.Fprintf(&d, "%s%.1f %.1f", moveOrLine(i), c.x(p.Seconds), f.y(p.Depth))
		}
		fmt.Fprintf(c, `<path class="ideal" d="%s"/>`+"\n", &d)
	}
	c.peak(r.Samples, f)
	c.drained(r, f)
}

// deepest returns the highest depth of all lines in the plot.
func (r Report) deepest() float64 {
	highest := 1.0
	for _, s := range r.Samples {
		highest = max(highest, float64(s.Depth()))
	}
	for _, p := range r.Ideal.Line {
		highest = max(highest, p.Depth)
	}
	if r.Prediction != nil {
		for _, p := range r.Prediction.Band {
			highest = max(highest, p.Depth.P95)
		}
	}
	return highest
}

// peak writes the highest depth above its point: a label beside it could cover the line
// of a queue that stays as deep.
func (c *canvas) peak(samples []Sample, f frame) {
	if len(samples) < 2 {
		return
	}
	highest := slices.MaxFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Depth(), b.Depth()) })
	c.text("ink", c.x(highest.Seconds)+4, f.y(float64(highest.Depth()))-0.45*c.font, "start", count(highest.Depth())+" at the peak")
}

// drained writes when the queue was drained, and when it would ideally have been. The
// text goes where the drained queue leaves space: to the right of it or, if that is
// narrow, above it.
func (c *canvas) drained(r Report, f frame) {
	if r.Verdict.TimeToDrain < 0 {
		return
	}
	drained, ideal := "drained in "+span(r.Verdict.TimeToDrain), ""
	if r.Ideal.Drained >= 0 {
		ideal = "ideal: " + span(r.Ideal.Drained)
	}
	at, y := c.x(r.Verdict.TimeToDrain)+16, f.bottom-2.6*c.font
	if width := 18 + max(c.textWidth(drained), c.textWidth(ideal)); at+width > c.right {
		at, y = c.right-width, f.top+1.3*c.font
	}
	c.text("ink head", at, y, "start", drained)
	if ideal == "" {
		return
	}
	if long := fmt.Sprintf("%s, all %d from the start", ideal, r.Ideal.Consumers); at+18+c.textWidth(long) < c.right {
		ideal = long
	}
	y += 1.6 * c.font
	c.mark("ideal", at, y)
	c.text("", at+18, y, "start", ideal)
}

func moveOrLine(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

// area fills the area between two lines.
func (c *canvas) area(class string, samples []Sample, f frame, low, high func(Sample) float64) {
	if len(samples) == 0 {
		return
	}
	var d strings.Builder
	for i, s := range samples {
		fmt.Fprintf(&d, "%s%.1f %.1f", moveOrLine(i), c.x(s.Seconds), f.y(high(s)))
	}
	for i := range samples {
		s := samples[len(samples)-1-i]
		fmt.Fprintf(&d, "L%.1f %.1f", c.x(s.Seconds), f.y(low(s)))
	}
	fmt.Fprintf(c, `<path class="%s" d="%sZ"/>`+"\n", class, &d)
}

// band draws the range that a simulation predicted for a line.
func (c *canvas) band(p *Prediction, f frame, of func(BandPoint) Spread) {
	if p == nil || len(p.Band) == 0 {
		return
	}
	var d strings.Builder
	for i, point := range p.Band {
		fmt.Fprintf(&d, "%s%.1f %.1f", moveOrLine(i), c.x(point.Seconds), f.y(of(point).P95))
	}
	for _, point := range slices.Backward(p.Band) {
		fmt.Fprintf(&d, "L%.1f %.1f", c.x(point.Seconds), f.y(of(point).P5))
	}
	fmt.Fprintf(c, `<path class="band" d="%sZ"/>`+"\n", &d)
}

// lanes shows when KEDA and the HPA acted, each in a row of its own, with a line through
// all plots. A name that does not fit is only in the page's table.
func (c *canvas) lanes(moments []Moment) {
	c.y += 0.8 * c.font
	for _, actor := range []string{"KEDA", "HPA"} {
		c.y += 1.6 * c.font
		c.text("ink", c.left-7, c.y, "end", actor)
		fmt.Fprintf(c, `<path class="grid" d="M%g %.1fH%g"/>`+"\n", c.left, c.y-0.35*c.font, c.right)
		// A state from before the burst is not an action.
		lane := slices.DeleteFunc(slices.Clone(moments), func(m Moment) bool { return m.Actor != actor || m.Seconds == 0 })
		from := c.left
		for i, m := range lane {
			to := c.right
			if i+1 < len(lane) {
				to = c.x(lane[i+1].Seconds) - 6
			}
			from = c.moment(m, from, to)
		}
	}
}

// decisions draws lines from the HPA's actions to their effect in a plot.
func (c *canvas) decisions(steps []Step, f frame) {
	for _, step := range steps {
		fmt.Fprintf(c, `<path class="moment" d="M%.1f %.1fV%.1f"/>`+"\n", c.x(step.Decided), f.top, f.bottom)
	}
}

// moment draws a dot and its name, if it fits between from and to, and returns where the
// text ends.
func (c *canvas) moment(m Moment, from, to float64) float64 {
	at, width := c.x(m.Seconds), c.textWidth(m.What)
	begin, end := at+9, at+9+width
	if end > c.right {
		begin, end = at-9-width, at-9
	}
	taken := at + 6
	if begin >= from && end <= max(to, at) {
		// With a background, because the row's line would run through it.
		fmt.Fprintf(c, `<rect class="bg" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n", begin-2, c.y-c.font, width+2, 1.3*c.font)
		anchor, x := "start", begin
		if end < at {
			anchor, x = "end", end
		}
		c.text("ink", x, c.y, anchor, m.What)
		taken = max(taken, end)
	}
	fmt.Fprintf(c, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"/>`+"\n", strings.ToLower(m.Actor), at, c.y-0.35*c.font)
	return taken
}

func (c *canvas) consumersPlot(r Report) {
	samples, highest := r.Samples, 1.0
	for _, s := range samples {
		highest = max(highest, float64(s.Ready), float64(s.Desired))
	}
	if r.Prediction != nil {
		for _, p := range r.Prediction.Band {
			highest = max(highest, p.Ready.P95)
		}
	}
	f := c.frame(c.consumers, highest, "Consumers", word{"ready", "ready"}, word{"wanted", "wanted by the HPA"})
	ready := func(s Sample) float64 { return float64(s.Ready) }
	line := c.steps(samples, f, ready)
	if len(samples) > 0 {
		fmt.Fprintf(c, `<path class="fleet" d="%sV%.1fH%.1fZ"/>`+"\n", line, f.bottom, c.x(0))
	}
	c.band(r.Prediction, f, func(p BandPoint) Spread { return p.Ready })
	c.base(f)
	c.decisions(r.Steps, f)
	fmt.Fprintf(c, `<path class="wanted" d="%s"/>`+"\n", c.steps(samples, f, func(s Sample) float64 { return float64(s.Desired) }))
	fmt.Fprintf(c, `<path class="ready" d="%s"/>`+"\n", line)
	if at := r.Verdict.TimeToPeak; at > 0 {
		c.text("ink", c.x(at)+6, f.y(float64(r.Verdict.PeakReplicas))+1.3*c.font, "start", fmt.Sprintf("%d ready", r.Verdict.PeakReplicas))
	}
}

// steps keeps a value until the next sample: the number of consumers does not change
// gradually.
func (c *canvas) steps(samples []Sample, f frame, value func(Sample) float64) string {
	var d strings.Builder
	for i, s := range samples {
		if i == 0 {
			fmt.Fprintf(&d, "M%.1f %.1f", c.x(s.Seconds), f.y(value(s)))
			continue
		}
		fmt.Fprintf(&d, "H%.1fV%.1f", c.x(s.Seconds), f.y(value(s)))
	}
	return d.String()
}

func (c *canvas) storedPlot(r Report) {
	t := r.Throughput
	f := c.frame(c.stored, float64(max(1, t.Peak)), "Events stored per second")
	width := max(1, (c.x(1)-c.x(0))-1)
	for second, n := range t.PerSecond {
		if n > 0 && float64(second) < c.end {
			fmt.Fprintf(c, `<path class="stored" d="M%.1f %.1fV%.1fh%.1fV%.1fZ"/>`+"\n",
				c.x(float64(second)), f.bottom, f.y(float64(n)), width, f.bottom)
		}
	}
	c.base(f)
	c.decisions(r.Steps, f)
}
