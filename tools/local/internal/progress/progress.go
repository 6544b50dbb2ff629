// Package progress tells a person what a long command has done and is doing.
//
// It knows nothing of the work.
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

// Log is what a command prints of its steps: a line for each that is done, with
// the seconds since the command began and, on a terminal, below them one line
// that changes in place while a step goes on. Its methods may be called at the
// same time.
type Log struct {
	out      io.Writer
	terminal bool
	start    time.Time

	mu     sync.Mutex
	moving bool
}

// New is a log whose time begins now. It moves a line only if out is a terminal.
func New(out io.Writer) *Log {
	file, ok := out.(*os.File)
	return &Log{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), start: time.Now()}
}

// Terminal reports whether the log is read by a person, in lines that can move.
func (l *Log) Terminal() bool { return l.terminal }

// Done prints a line that stays.
func (l *Log) Done(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wipe()
	fmt.Fprintf(l.out, "%6.1fs  %s\n", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...))
}

// Doing shows a line until the next call, on a terminal alone.
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

// Wipe removes the moving line, for whoever prints next without the log.
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
