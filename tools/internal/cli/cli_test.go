package cli_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

func TestExecute(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		err    error
		code   int
		stderr string
	}{
		{"nothing is wrong", nil, nil, 0, ""},
		{"it fails", nil, errors.New("no disk"), 3, "error: no disk\n"},
		{"the caller is wrong", nil, cli.Usage(errors.New("name a file")), 2, "error: name a file\n"},
		{"it has said so", nil, cli.Said(1), 1, ""},
		{"an argument", []string{"now"}, nil, 2, "error: unknown argument \"now\"; see `tool --help`\n"},
		{"a flag", []string{"--now"}, nil, 2, "error: unknown flag: --now; see `tool --help`\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := &cobra.Command{Use: "tool", Args: cli.NoArguments, RunE: func(*cobra.Command, []string) error { return test.err }}
			var stdout, stderr bytes.Buffer
			if code := cli.Execute(root, test.args, &stdout, &stderr, 3); code != test.code || stderr.String() != test.stderr || stdout.Len() > 0 {
				t.Errorf("exit %d, %q, %q; want %d, %q", code, &stdout, &stderr, test.code, test.stderr)
			}
		})
	}
}
