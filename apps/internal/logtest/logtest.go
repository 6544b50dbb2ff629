// Package logtest lets tests wait until a program has logged a message. By then the
// program is in the state that the message names, even on a slow machine.
//
// The package must not know any program.
package logtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long Eventually retries.
const patience = time.Minute

// Eventually calls try until it returns no error, for up to a minute. It returns the last
// error.
func Eventually(try func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Log stores log output. The zero value is ready for use. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text []byte
}

// Logger returns a logger that writes JSON to l.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// Write appends lines.
func (l *Log) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, lines...)
	return len(lines), nil
}

func (l *Log) read() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text), nil
}

// Await waits until the message was logged and returns the record's address, or "" if it
// has none. It fails the test if the message does not come.
func (l *Log) Await(t testing.TB, message string) (address string) {
	t.Helper()
	found, err := await(l.read, record{Msg: message})
	if err != nil {
		t.Fatal(err)
	}
	return found.Address
}

// Serving waits until a program has logged to the file that it serves the address of the
// flag, and returns the address. The flag is empty for a program with a single address.
func Serving(file, flag string) (address string, err error) {
	found, err := await(fileOf(file), record{Msg: "serving", Flag: flag})
	return found.Address, err
}

// record has the fields of a log line that the package reads.
type record struct{ Msg, Address, Flag string }

// await waits for the first line with the message and the flag of want.
func await(read func() ([]byte, error), want record) (found record, err error) {
	err = Eventually(func() error {
		text, err := read()
		if err != nil {
			return err
		}
		for line := range bytes.Lines(text) {
			if json.Unmarshal(line, &found) == nil && found.Msg == want.Msg && found.Flag == want.Flag {
				return nil
			}
			found = record{}
		}
		return fmt.Errorf("%q was not logged: %s", want.Msg, text)
	})
	return found, err
}

// fileOf returns a function that reads a file. A file that does not exist yet is empty.
func fileOf(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return text, err
	}
}

// Logged implements the command "logged file text" of test scripts. It waits until a
// program in the background has logged the text to the file.
func Logged(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 2 {
		ts.Fatalf("usage: logged file text")
	}
	read := fileOf(ts.MkAbs(args[0]))
	ts.Check(Eventually(func() error {
		text, err := read()
		if err == nil && !bytes.Contains(text, []byte(args[1])) {
			err = fmt.Errorf("%q was not logged: %s", args[1], text)
		}
		return err
	}))
}
