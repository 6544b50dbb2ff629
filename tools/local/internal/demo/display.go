package demo

import (
	"fmt"
	"io"
	"strings"
)

const (
	header = "   time  visible  in flight  delayed  wanted  ready   stored  dead-lettered"
	// rows is the number of table rows that stay on a terminal, so that it fits on one
	// screen.
	rows     = 14
	barWidth = 40
)

// display shows samples. On a terminal it redraws a table in place, with a row for each
// number of consumers so far, the current counts, and a progress bar. Elsewhere it prints
// a line for each change.
type display struct {
	out      io.Writer
	terminal bool
	last     string
	scale    scale
	scales   []string
	// drawn is the number of lines that the next drawing replaces.
	drawn int
}

type scale struct{ wanted, ready int32 }

func newDisplay(out io.Writer, terminal bool) *display {
	d := &display{out: out, terminal: terminal}
	if !terminal {
		fmt.Fprintln(out, header)
	}
	return d
}

// show prints a sample of a run that sends burst messages.
func (d *display) show(s Sample, burst int) {
	counts := fmt.Sprintf("%7d  %9d  %7d  %6d  %5d  %7d  %13d", s.Visible, s.InFlight, s.Delayed, s.Desired, s.Ready, s.Stored, s.DeadLettered)
	line := fmt.Sprintf("%6.0fs  %s", s.Seconds, counts)
	if d.terminal {
		d.draw(line, s, burst)
	} else if counts != d.last {
		fmt.Fprintln(d.out, line)
	}
	d.last = counts
}

func (d *display) draw(line string, s Sample, burst int) {
	lines := append([]string{header}, d.scales...)
	if now := (scale{s.Desired, s.Ready}); d.last == "" || now != d.scale {
		d.scale = now
		d.scales = append(d.scales, line)
		d.scales = d.scales[max(0, len(d.scales)-rows):]
	}
	filled := min(barWidth, barWidth*(s.Stored+s.DeadLettered)/max(1, burst))
	lines = append(lines, line, fmt.Sprintf("%8s[%s%s]", "", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled)))

	var b strings.Builder
	// Without line wrap: a row that a narrow terminal wraps could not be redrawn.
	b.WriteString("\x1b[?7l")
	if d.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", d.drawn)
	}
	for _, line := range lines {
		fmt.Fprintln(&b, line)
	}
	b.WriteString("\x1b[?7h")
	d.drawn = len(lines)
	// One write, so that the table does not flicker.
	_, _ = io.WriteString(d.out, b.String())
}
