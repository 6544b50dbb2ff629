// Package progress shows a person what a long command has done and is doing.
//
// It must not know the work.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Log prints a command's steps: a line for each finished step, with the seconds since the
// command began. On a terminal, a line below shows the current step and changes in place.
// Its methods are safe for concurrent use.
type Log struct {
	out      io.Writer
	terminal bool
	start    time.Time

	mu     sync.Mutex
	moving bool
}

// New returns a log whose time starts now. It shows the current step only if out is a
// terminal.
func New(out io.Writer) *Log {
	file, ok := out.(*os.File)
	return &Log{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), start: time.Now()}
}

// Terminal reports whether the log goes to a terminal.
func (l *Log) Terminal() bool { return l.terminal }

// Done prints a line for a finished step.
func (l *Log) Done(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wipe()
	fmt.Fprintf(l.out, "%6.1fs  %s\n", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...))
}

// Doing shows the current step until the next call, only on a terminal.
func (l *Log) Doing(format string, args ...any) {
	if !l.terminal {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wipe()
	// A line that a narrow terminal wraps could not be erased.
	fmt.Fprintf(l.out, "\x1b[?7l%6.1fs  %s\x1b[?7h", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...))
	l.moving = true
}

// Wipe removes the current step's line, before something else prints to the terminal.
func (l *Log) Wipe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wipe()
}

func (l *Log) wipe() {
	if l.moving {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.moving = false
	}
}

// Write prints each line as Done does.
func (l *Log) Write(p []byte) (int, error) {
	for line := range strings.SplitSeq(strings.TrimSpace(string(p)), "\n") {
		l.Done("%s", line)
	}
	return len(p), nil
}
