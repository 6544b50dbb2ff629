package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/enginebuild"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

// partial begins the name of a folder that a build is still writing to.
const partial = "part-"

// memoryPerCompiler is the most memory that a build takes for each compiler or linker
// that runs at the same time.
const memoryPerCompiler = 2 << 30

// Build builds the engines that the cache lacks, one at a time and within memory bytes,
// unless a single link takes more, and logs each with its time. It removes what a killed
// build left and engines that have long not been used, so no other Build may run in the
// same cache. When ctx ends, it interrupts the compiler and removes the unfinished build.
func (s Set) Build(ctx context.Context, memory uint64, log *progress.Log) error {
	return s.build(ctx, enginebuild.All(), compilersFor(runtime.NumCPU(), memory), log)
}

// compilers is the number of compilers and linkers that run at the same time, and the
// GOGC of each.
type compilers struct{ count, gogc int }

func compilersFor(cores int, memory uint64) compilers {
	c := compilers{max(1, min(cores, int(memory/memoryPerCompiler))), 100}
	// With enough memory they collect garbage a quarter as often, which saves a quarter
	// of their time.
	if memory/uint64(c.count) >= 2*memoryPerCompiler {
		c.gogc = 400
	}
	return c
}

func (s Set) build(ctx context.Context, recipes []enginebuild.Recipe, compilers compilers, log *progress.Log) error {
	cache := filepath.Dir(s[recipes[0].Name].Bin)
	if err := s.prune(cache, time.Now()); err != nil {
		return err
	}
	var missing []*Engine
	for _, r := range recipes {
		if e := s[r.Name]; !e.Built() {
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the engine cache: %w", err)
	}
	if err := removePartial(cache); err != nil {
		return err
	}
	for _, e := range missing {
		remove, err := e.generate(ctx, log)
		if err != nil {
			return err
		}
		defer remove()
	}
	work, err := plan(ctx, missing, log)
	if err != nil {
		return err
	}
	for _, e := range missing {
		if err := e.build(ctx, compilers, work); err != nil {
			return err
		}
	}
	work.end()
	return nil
}

// unused is how long an engine is kept after the last start that used it: a branch with
// its pins may come back.
const unused = 30 * 24 * time.Hour

// prune marks the engines of this set as used, and removes those that no start has used
// for that time.
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

// generate writes the source of an engine that has a generator into a folder; remove
// deletes the folder.
func (e *Engine) generate(ctx context.Context, log *progress.Log) (remove func(), err error) {
	if e.recipe.Source == nil {
		return func() {}, nil
	}
	log.Doing("generating the source of %s %s", e.Name, e.Version)
	part, err := os.MkdirTemp(filepath.Dir(e.Bin), partial+e.Name+"-source-")
	if err != nil {
		return nil, fmt.Errorf("make the folder for the source of engine %s: %w", e.Name, err)
	}
	remove = func() { _ = os.RemoveAll(part) } // if it fails, the next build does it
	if e.module, err = e.recipe.Source.Generate(ctx, e.Pins, part); err != nil {
		remove()
		return nil, fmt.Errorf("generate the source of engine %s %s: %w", e.Name, e.Version, err)
	}
	return remove, nil
}

func (e *Engine) build(ctx context.Context, compilers compilers, work *work) error {
	part, err := os.MkdirTemp(filepath.Dir(e.Bin), partial+e.Name+"-")
	if err != nil {
		return fmt.Errorf("make the build folder of engine %s: %w", e.Name, err)
	}
	defer os.RemoveAll(part)
	bin, temporary := filepath.Join(part, "bin"), filepath.Join(part, "work")
	for _, dir := range []string{bin, temporary} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}

	watch := work.begin(e)
	cmd := e.goCommand(ctx, temporary, compilers, e.arguments(bin)...)
	cmd.Stdout, cmd.Stderr = watch, watch
	err = cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("build engine %s: %w", e.Name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf(
			"build engine %s %s: %w\n%s\nretry with `make up`: what is built is kept",
			e.Name,
			e.Version,
			err,
			tail.Lines(watch.said, 15),
		)
	}
	if err := e.keep(bin); err != nil {
		return fmt.Errorf("keep engine %s: %w", e.Name, err)
	}
	watch.end(cmd.ProcessState.UserTime())
	return nil
}

// keep moves a complete build into place, and replaces one that lost a program.
func (e *Engine) keep(bin string) error {
	if err := os.RemoveAll(e.Bin); err != nil {
		return err
	}
	return os.Rename(bin, e.Bin)
}

func (e *Engine) arguments(out string) []string {
	args := []string{"build", "-v", "-ldflags", e.recipe.LinkerFlags(e.Version), "-o", out + string(filepath.Separator)}
	if e.recipe.Tags != "" {
		args = append(args, "-tags", e.recipe.Tags)
	}
	return append(args, "tool")
}

// linking returns the environment in which the engine links C libraries. They are in the
// linker's own folders, so pkg-config, which programs ask for them, is not needed.
func (e *Engine) linking() []string {
	if len(e.recipe.Libraries) == 0 {
		return []string{"CGO_ENABLED=0"}
	}
	return []string{"CGO_ENABLED=1", "PKG_CONFIG=true", "CGO_LDFLAGS=-l" + strings.Join(e.recipe.Libraries, " -l")}
}

// goCommand returns a go command that runs in the module with the programs. Its temporary
// files are in work, because an interrupted go leaves them.
func (e *Engine) goCommand(ctx context.Context, work string, compilers compilers, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = e.module
	cmd.Env = toolchain.Environ(append(e.linking(),
		"GOTMPDIR="+work,
		fmt.Sprintf("GOFLAGS=%s -p=%d", toolchain.Flags, compilers.count),
		fmt.Sprintf("GOGC=%d", compilers.gogc),
	)...)
	// An interrupt reaches the whole process group, so the compilers, go's children, too.
	// It also arrives when this process dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
