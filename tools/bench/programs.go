//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The newest releases that can be built with go.mod's version of Go.
const (
	kustomize   = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.2"
	kubeconform = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
)

// build compiles the three programs into a folder; validate comes from the module of the
// working directory.
func build(ctx context.Context, into string) error {
	for _, args := range [][]string{
		{"build", "-o", into + string(filepath.Separator), "./tools/validate"},
		{"install", kustomize},
		{"install", kubeconform},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "GOBIN="+into)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// programs are the compiled programs, and what they check.
type programs struct {
	dir, root string
	clusters  []string
	overlays  []overlay
}

// validate checks the repository with validate, and returns its largest memory.
func (p programs) validate(ctx context.Context) (memory int64, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.dir, "validate"), "--root", p.root, "--cluster", strings.Join(p.clusters, ","))
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("validate: %w\n%s", err, out)
	}
	return peak(cmd), nil
}

// pipeline checks the repository overlay by overlay, and returns the largest memory of
// one process.
func (p programs) pipeline(ctx context.Context) (memory int64, err error) {
	for _, overlay := range p.overlays {
		used, err := p.check(ctx, overlay)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", overlay.dir, err)
		}
		memory = max(memory, used)
	}
	return memory, nil
}

func (p programs) check(ctx context.Context, overlay overlay) (memory int64, err error) {
	var complaints strings.Builder
	check := exec.CommandContext(
		ctx,
		filepath.Join(p.dir, "kubeconform"),
		"-strict",
		"-ignore-missing-schemas",
		"-schema-location",
		filepath.Join(p.dir, "schemas", schemaFile),
	)
	check.Stdout, check.Stderr = &complaints, &complaints
	if !overlay.kustomized {
		check.Args = append(check.Args, overlay.dir)
		if err := check.Run(); err != nil {
			return 0, fmt.Errorf("kubeconform: %w\n%s", err, &complaints)
		}
		return peak(check), nil
	}
	build := exec.CommandContext(ctx, filepath.Join(p.dir, "kustomize"), "build", overlay.dir)
	build.Stderr = os.Stderr
	if check.Stdin, err = build.StdoutPipe(); err != nil {
		return 0, err
	}
	if err := build.Start(); err != nil {
		return 0, err
	}
	checked, built := check.Run(), build.Wait()
	switch {
	case built != nil:
		return 0, fmt.Errorf("kustomize: %w", built)
	case checked != nil:
		return 0, fmt.Errorf("kubeconform: %w\n%s", checked, &complaints)
	}
	return max(peak(build), peak(check)), nil
}

// peak returns the largest memory of an ended process, in bytes.
func peak(cmd *exec.Cmd) int64 {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss * 1024
}

// series has the results of several runs of one program.
type series struct {
	times  []time.Duration
	memory int64
}

func (s *series) add(ctx context.Context, run func(context.Context) (int64, error)) error {
	start := time.Now()
	memory, err := run(ctx)
	if err != nil {
		return err
	}
	s.times = append(s.times, time.Since(start))
	s.memory = max(s.memory, memory)
	return nil
}

func (s *series) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s.times))
	return sorted[len(sorted)/2]
}

func (s *series) fastest() time.Duration { return slices.Min(s.times) }
