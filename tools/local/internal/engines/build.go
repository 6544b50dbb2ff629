package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/recipe"
	"github.com/mystique-unicorn/sales-events/tools/internal/tail"
	"github.com/mystique-unicorn/sales-events/tools/internal/toolchain"
)

// partial begins the name of a folder that a build is still writing to.
const partial = "part-"

// memoryPerCompiler is how much of it a build takes at most for each compiler or
// linker that it runs at a time.
const memoryPerCompiler = 2 << 30

// Build builds what the cache lacks, one engine at a time and within so many bytes
// of memory, if one link does not take more, and reports each with its time to
// progress. It removes what a killed build left and what has long not been used,
// so it must be the only one in the cache. When ctx ends, so does the compiler,
// and nothing of the unfinished build stays.
func (s Set) Build(ctx context.Context, memory uint64, progress io.Writer) error {
	return s.build(ctx, recipe.All(), compilers(runtime.NumCPU(), memory), progress)
}

// compilers is how many run at a time.
func compilers(cores int, memory uint64) int {
	return max(1, min(cores, int(memory/memoryPerCompiler)))
}

func (s Set) build(ctx context.Context, recipes []recipe.Recipe, compilers int, progress io.Writer) error {
	cache := filepath.Dir(s[recipes[0].Name].Bin)
	if err := s.prune(cache, time.Now()); err != nil {
		return err
	}
	if s.Built() {
		return nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the engine cache: %w", err)
	}
	if err := removePartial(cache); err != nil {
		return err
	}
	for _, r := range recipes {
		if e := s[r.Name]; !e.Built() {
			if err := e.build(ctx, compilers, progress); err != nil {
				return err
			}
		}
	}
	return nil
}

// unused is for how long an engine is kept without a start that runs it: a branch
// with its pins may come back.
const unused = 30 * 24 * time.Hour

// prune marks the engines of this set as used, and removes what nobody uses.
func (s Set) prune(cache string, now time.Time) error {
	for _, e := range s {
		if err := os.Chtimes(e.Bin, now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mark engine %s as used: %w", e.Name, err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil {
		return err
	}
	for _, dir := range kept {
		info, err := os.Stat(dir)
		if err == nil && now.Sub(info.ModTime()) > unused {
			err = os.RemoveAll(dir)
		}
		if err != nil {
			return fmt.Errorf("remove an engine that is not used: %w", err)
		}
	}
	return nil
}

func removePartial(cache string) error {
	left, err := filepath.Glob(filepath.Join(cache, partial+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what a killed build left: %w", err)
		}
	}
	return nil
}

func (e *Engine) build(ctx context.Context, compilers int, progress io.Writer) error {
	part, err := os.MkdirTemp(filepath.Dir(e.Bin), partial+e.Name+"-")
	if err != nil {
		return fmt.Errorf("make the build folder of engine %s: %w", e.Name, err)
	}
	defer os.RemoveAll(part)
	bin, work := filepath.Join(part, "bin"), filepath.Join(part, "work")
	for _, dir := range []string{bin, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}

	start := time.Now()
	fmt.Fprintf(progress, "building %s %s (%d programs)\n", e.Name, e.Version, len(e.Programs))
	stop := e.remind(progress, start)
	out, err := e.goCommand(ctx, work, compilers, e.arguments(bin)...).CombinedOutput()
	stop()
	if ctx.Err() != nil {
		return fmt.Errorf("build engine %s: %w", e.Name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("build engine %s %s: %w\n%s\nretry with `make up`: what is built is kept", e.Name, e.Version, err, tail.Lines(out, 15))
	}
	if err := e.keep(bin); err != nil {
		return fmt.Errorf("keep engine %s: %w", e.Name, err)
	}
	fmt.Fprintf(progress, "  built %s in %s\n", e.Name, time.Since(start).Round(time.Second))
	return nil
}

// remind reports every half a minute that a long build goes on.
func (e *Engine) remind(progress io.Writer, start time.Time) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(progress, "  still building %s, %s\n", e.Name, time.Since(start).Round(time.Second))
			}
		}
	}()
	return func() { close(done) }
}

// keep moves a complete build into place, over one that lost a program.
func (e *Engine) keep(bin string) error {
	if err := os.RemoveAll(e.Bin); err != nil {
		return err
	}
	return os.Rename(bin, e.Bin)
}

func (e *Engine) arguments(out string) []string {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", e.recipe.LinkerFlags(e.Version), "-o", out + string(filepath.Separator)}
	if e.recipe.Tags != "" {
		args = append(args, "-tags", e.recipe.Tags)
	}
	return append(args, "tool")
}

// goCommand runs in the engine's module; an interrupted go leaves its temporary
// files, which are in work for that reason.
func (e *Engine) goCommand(ctx context.Context, work string, compilers int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = e.Dir
	cgo := "CGO_ENABLED=0"
	if e.recipe.Cgo {
		cgo = "CGO_ENABLED=1"
	}
	cmd.Env = toolchain.Environ(cgo, "GOTMPDIR="+work, fmt.Sprintf("GOFLAGS=-mod=readonly -p=%d", compilers))
	// The compilers are go's children and are interrupted with it. It also
	// hears of this process's death.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
