package demo

import (
	"fmt"
	"io"
	"strings"
)

const (
	header = "   time  visible  in flight  delayed  wanted  ready   stored  dead-lettered"
	// rows of the table stay on a terminal, which keeps it on one screen.
	rows     = 14
	barWidth = 40
)

// display shows samples: on a terminal a table of the last changes and a bar,
// redrawn in place, elsewhere a line per change.
type display struct {
	out      io.Writer
	terminal bool
	last     string
	lines    []string
	// drawn is how many lines the next drawing has to take back.
	drawn int
}

func newDisplay(out io.Writer, terminal bool) *display {
	d := &display{out: out, terminal: terminal}
	if !terminal {
		fmt.Fprintln(out, header)
	}
	return d
}

// show shows a sample of a run that sends burst messages.
func (d *display) show(s Sample, burst int) {
	counts := fmt.Sprintf("%7d  %9d  %7d  %6d  %5d  %7d  %13d", s.Visible, s.InFlight, s.Delayed, s.Desired, s.Ready, s.Stored, s.DeadLettered)
	changed := counts != d.last
	line := fmt.Sprintf("%6.0fs  %s", s.Seconds, counts)
	d.last = counts
	switch {
	case !d.terminal && changed:
		fmt.Fprintln(d.out, line)
	case d.terminal && changed:
		d.lines = append(d.lines, line)
		d.lines = d.lines[max(0, len(d.lines)-rows):]
		d.draw(s, burst)
	case d.terminal:
		d.draw(s, burst)
	}
}

func (d *display) draw(s Sample, burst int) {
	var b strings.Builder
	if d.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", d.drawn)
	}
	filled := min(barWidth, barWidth*(s.Stored+s.DeadLettered)/max(1, burst))
	lines := append([]string{header}, d.lines...)
	lines = append(lines, fmt.Sprintf("%6.0fs  [%s%s] %d ready", s.Seconds, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), s.Ready))
	for _, line := range lines {
		fmt.Fprintln(&b, line)
	}
	d.drawn = len(lines)
	// In one write, so that the table does not flicker.
	_, _ = io.WriteString(d.out, b.String())
}
