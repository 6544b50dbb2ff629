package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// display shows samples: one line redrawn on a terminal, a line per change
// elsewhere.
type display struct {
	out      io.Writer
	terminal bool
	last     string
}

func newDisplay(out io.Writer, terminal bool) *display {
	fmt.Fprintf(out, "%6s  %7s  %9s  %8s  %13s  %6s  %13s\n", "time", "visible", "in flight", "replicas", "ready", "stored", "dead-lettered")
	return &display{out: out, terminal: terminal}
}

func (d *display) show(s Sample) {
	line := fmt.Sprintf("%7d  %9d  %8d  %13d  %6d  %13d", s.Visible, s.InFlight, s.Replicas, s.Ready, s.Stored, s.DeadLettered)
	if line == d.last {
		return
	}
	d.last = line
	if d.terminal {
		fmt.Fprintf(d.out, "\r%5.0fs  %s", s.Seconds, line)
		return
	}
	fmt.Fprintf(d.out, "%5.0fs  %s\n", s.Seconds, line)
}

func (d *display) end() {
	if d.terminal {
		fmt.Fprintln(d.out)
	}
}

// writeReport writes the verdict as JSON, the chart as SVG, and both as one
// page that needs nothing else.
func writeReport(dir string, v Verdict) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the report folder: %w", err)
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	svg := chart(v.Samples)
	var page bytes.Buffer
	if err := reportPage.Execute(&page, map[string]any{"Chart": template.HTML(svg), "Text": v.String(), "OK": v.OK}); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"report.json": data, "report.svg": []byte(svg), "report.html": page.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

var reportPage = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Demo: queue depth and consumers</title>
<style>body{font-family:system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}pre{font-size:1rem}svg{width:100%}</style>
<h1>{{if .OK}}Nothing lost{{else}}The demo failed{{end}}</h1>
{{.Chart}}
<pre>{{.Text}}</pre></html>
`))

// The chart's plot area within a 900 by 420 canvas.
const left, right, top, bottom = 60.0, 840.0, 30.0, 360.0

// chart draws the backlog against the left axis and the replicas against the
// right one.
func chart(samples []Sample) string {
	if len(samples) == 0 {
		samples = []Sample{{}}
	}
	end, backlog, replicas := 1.0, 1.0, 1.0
	for _, s := range samples {
		end = max(end, s.Seconds)
		backlog = max(backlog, float64(s.backlog()))
		replicas = max(replicas, float64(s.Replicas))
	}
	x := func(s Sample) float64 { return left + s.Seconds/end*(right-left) }
	line := func(value func(Sample) float64, highest float64) string {
		points := make([]string, len(samples))
		for i, s := range samples {
			points[i] = fmt.Sprintf("%.1f,%.1f", x(s), bottom-value(s)/highest*(bottom-top))
		}
		return strings.Join(points, " ")
	}
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 420" font-family="system-ui,sans-serif" font-size="13">
<rect width="900" height="420" fill="#fff"/>
`)
	for i := range 5 {
		share := float64(i) / 4
		y := bottom - share*(bottom-top)
		fmt.Fprintf(&b, `<path d="M%g %gH%g" stroke="#ddd"/><text x="%g" y="%g" text-anchor="end" fill="#1f5fa8">%.0f</text><text x="%g" y="%g" fill="#b3450b">%.0f</text>
`, left, y, right, left-8, y+4, share*backlog, right+8, y+4, share*replicas)
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle" fill="#444">%.0f s</text>
`, left+share*(right-left), bottom+20, share*end)
	}
	fmt.Fprintf(&b, `<polyline fill="none" stroke="#1f5fa8" stroke-width="2" points="%s"/>
`, line(func(s Sample) float64 { return float64(s.backlog()) }, backlog))
	fmt.Fprintf(&b, `<polyline fill="none" stroke="#b3450b" stroke-width="2" stroke-dasharray="6 3" points="%s"/>
`, line(func(s Sample) float64 { return float64(s.Replicas) }, replicas))
	fmt.Fprintf(&b, `<text x="%g" y="405" fill="#1f5fa8">backlog: visible and in flight</text><text x="%g" y="405" text-anchor="end" fill="#b3450b">consumers wanted (dashed)</text>
</svg>
`, left, right)
	return b.String()
}
