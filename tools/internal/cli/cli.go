// Package cli is what all commands share: signals that cancel, an error for unexpected
// arguments, and the one place that prints an error and chooses the exit code. It must
// not know any command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// UsageCode is the exit code for a wrong command line.
const UsageCode = 2

// exit is an error with an exit code.
type exit struct {
	code int
	error
}

func (e exit) Unwrap() error { return e.error }

// Usage marks an error as the caller's mistake, with exit code 2.
func Usage(err error) error { return exit{UsageCode, err} }

// said is an error without a message, for output that is already printed.
type said struct{ code int }

func (s said) Error() string { return fmt.Sprintf("exit code %d", s.code) }

// Said returns the error of a command that has already printed what is wrong; it only
// sets the exit code.
func Said(code int) error { return said{code} }

// NoArguments returns an error if there are arguments.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usage(fmt.Errorf("unknown argument %q; see `%s --help`", args[0], cmd.CommandPath()))
	}
	return nil
}

// Execute runs one command line and returns the exit code: 0, or the error's own code, or
// failed for an error without one. SIGINT and SIGTERM cancel the command.
func Execute(root *cobra.Command, args []string, stdout, stderr io.Writer, failed int) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usage(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if quiet, ok := errors.AsType[said](err); ok {
		return quiet.code
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "interrupted:", err)
		return failed
	}
	fmt.Fprintln(stderr, "error:", err)
	if chosen, ok := errors.AsType[exit](err); ok {
		return chosen.code
	}
	return failed
}
