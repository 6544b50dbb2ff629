package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/internal/git"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
)

// goSettings are the go command's settings.
type goSettings struct {
	// found reports whether there is a go command.
	found                   bool
	buildCache, moduleCache string
	cc                      compiler
}

func askGo(ctx context.Context) goSettings {
	cmd := exec.CommandContext(ctx, "go", "env", "GOCACHE", "GOMODCACHE", "CC", "CGO_CPPFLAGS", "CGO_CFLAGS", "CGO_LDFLAGS")
	cmd.Env = toolchain.Environ()
	out, err := cmd.Output()
	values := strings.Split(string(out), "\n")
	if err != nil || len(values) < 6 || strings.TrimSpace(values[2]) == "" {
		return goSettings{cc: compiler{"gcc"}}
	}
	return goSettings{true, values[0], values[1], strings.Fields(strings.Join(values[2:6], " "))}
}

// unfetchable returns why the engines' sources cannot be fetched; nil if they are in the
// cache, or if the Go module proxy answers. A machine with all of them needs no network.
func unfetchable(ctx context.Context, set engines.Set, moduleCache string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if e := set[name]; !cached(moduleCache, e.Module, e.Version) {
			return askProxy(ctx, e)
		}
	}
	return nil
}

func cached(moduleCache, path, version string) bool {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(moduleCache, escaped+"@"+version))
	return err == nil
}

// patience is how long to wait for the Go module proxy.
const patience = 30 * time.Second

// askProxy asks the proxy with go's own settings, for some hundred bytes.
func askProxy(ctx context.Context, e *engines.Engine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer in %s", patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "list", "-m", e.Module+"@"+e.Version)
	cmd.Dir = e.Dir
	cmd.Env = toolchain.Environ()
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return errors.New(strings.TrimPrefix(lines[len(lines)-1], "go: "))
	}
	return nil
}

// exception matches the command that git recommends for a checkout of another user.
var exception = regexp.MustCompile(`git config --global --add safe\.directory .+`)

// unreadable returns why git does not read the checkout; nil if it does.
func unreadable(ctx context.Context, checkout string) error {
	_, err := git.Run(ctx, checkout, []string{"LC_ALL=C"}, "rev-parse", "--git-dir")
	if err == nil {
		return nil
	}
	if command := exception.FindString(err.Error()); command != "" {
		return fmt.Errorf("git refuses %s, which belongs to another user: run %s", checkout, command)
	}
	return fmt.Errorf("%s is not a checkout that git can read: %w: clone the repository", checkout, err)
}
