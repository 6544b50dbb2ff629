// Package clitest has what the scripts of commands' tests share. The package must not know
// any command.
package clitest

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands are what scripts have beside the commands of testscript.
//
// `exits CODE PROGRAM ARG...` runs a program, which must end with that exit code: 0 done,
// 1 failed or found something, 2 it could not run, for example with this command line. The
// script can inspect the output as after exec.
var Commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (&exec.ExitError{}); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}
