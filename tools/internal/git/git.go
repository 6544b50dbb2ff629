// Package git runs the git program for the commands that read or change a checkout. It
// must not know what they are for.
package git

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Run runs git in the folder dir, with env added to this process's environment. It
// returns the output without trailing newlines. The error of a failed command has git's
// message.
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
