// Package git runs the git program for the commands that ask a checkout something
// or change it. It does not know what they are for.
package git

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Run runs git in the folder dir, with env besides this process's environment,
// and returns what it prints without the last line breaks. The error of a command
// that fails carries what git says of it.
func Run(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}
