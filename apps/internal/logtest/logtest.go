// Package logtest lets tests wait for what a program has logged: by then it is in the
// state that it logs, on a slow machine too.
//
// It must not know any program.
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

// patience is how long Eventually tries.
const patience = time.Minute

// Eventually tries until there is no error, and returns the last one if there always is.
func Eventually(try func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Log keeps what is logged. The zero value is ready for use.
type Log struct {
	mu   sync.Mutex
	text []byte
}

// Logger logs to l.
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

// Await waits until a message was logged, and returns the address that the record has.
func (l *Log) Await(t testing.TB, message string) (address string) {
	t.Helper()
	found, err := await(l.read, record{Msg: message})
	if err != nil {
		t.Fatal(err)
	}
	return found.Address
}

// Serving waits until the program that logs to a file serves at the address of a flag,
// which is empty for a program without, and returns that address.
func Serving(file, flag string) (address string, err error) {
	found, err := await(fileOf(file), record{Msg: "serving", Flag: flag})
	return found.Address, err
}

// record is what is read of a line.
type record struct{ Msg, Address, Flag string }

// await waits for the first line with a message and a flag.
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

// fileOf reads a file, which is empty until it is there.
func fileOf(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return text, err
	}
}

// Logged is a command of test scripts, "logged file text": it waits until a program that
// runs in the background has logged the text to the file.
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
