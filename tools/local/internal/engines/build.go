package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/internal/recipe"
)

// partial begins the name of a folder that a build is still writing to.
const partial = "part-"

// Build builds what the cache lacks, one engine at a time, and reports each
// with its time to progress. It removes what a killed build left. When ctx
// ends, so does the compiler, and nothing of the unfinished build stays.
func (s Set) Build(ctx context.Context, progress io.Writer) error {
	return s.build(ctx, recipe.All(), progress)
}

func (s Set) build(ctx context.Context, recipes []recipe.Recipe, progress io.Writer) error {
	if s.Built() {
		return nil
	}
	cache := filepath.Dir(s[recipes[0].Name].Bin)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the engine cache: %w", err)
	}
	unlock, err := lock(ctx, cache, progress)
	if err != nil {
		return err
	}
	defer unlock()
	if err := removePartial(cache); err != nil {
		return err
	}
	for _, r := range recipes {
		if e := s[r.Name]; !e.Built() {
			if err := e.build(ctx, progress); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock makes this the only build in the cache. The kernel takes the lock back
// from a process that ends in whatever way.
func lock(ctx context.Context, cache string, progress io.Writer) (unlock func(), err error) {
	folder, err := os.Open(cache)
	if err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { folder.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			folder.Close()
			return nil, fmt.Errorf("lock the engine cache %s: %w", cache, err)
		}
		if !waited {
			fmt.Fprintln(progress, "waiting for another command, which builds engines")
		}
		select {
		case <-ctx.Done():
			folder.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
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

func (e *Engine) build(ctx context.Context, progress io.Writer) error {
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
	out, err := e.goCommand(ctx, work, e.arguments(bin)...).CombinedOutput()
	stop()
	if ctx.Err() != nil {
		return fmt.Errorf("build engine %s: %w", e.Name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("build engine %s %s: %w\n%s\nretry with `make up`: what is built is kept", e.Name, e.Version, err, lastLines(out, 15))
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
func (e *Engine) goCommand(ctx context.Context, work string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = e.Dir
	cgo := "CGO_ENABLED=0"
	if e.recipe.Cgo {
		cgo = "CGO_ENABLED=1"
	}
	cmd.Env = append(os.Environ(), cgo, "GOWORK=off", "GOFLAGS=", "GOTMPDIR="+work)
	// The compilers are go's children and are interrupted with it. It also
	// hears of this process's death.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
