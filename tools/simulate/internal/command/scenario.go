package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// module is the module of command scenario.
const module = "github.com/mystique-unicorn/sales-events"

// find runs command scenario, which reads the manifests of the working tree or of a
// revision. It runs from source, because its module has other versions of libraries.
func (i *invocation) find(ctx context.Context, args ...string) ([]scenario.Found, error) {
	dir, err := moduleDir()
	if err != nil {
		return nil, err
	}
	args = append([]string{"run", "./tools/scenario", "--root", i.root, "--cluster", i.cluster}, args...)
	for name, value := range map[string]string{"--scaledobject": i.name, "--service-time": i.serviceTime} {
		if value != "" {
			args = append(args, name, value)
		}
	}
	if i.concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(i.concurrency))
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return nil, readingFailed(err, said.String())
	}
	var found []scenario.Found
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		return nil, fmt.Errorf("read what ./tools/scenario writes: %w", err)
	}
	return found, nil
}

// readingFailed returns the error that command scenario prints, with the exit code.
func readingFailed(err error, said string) error {
	text := strings.TrimSpace(said)
	// `go run` prints the program's exit code, and itself exits with 1.
	text, coded, usage := strings.TrimSpace(strings.TrimSuffix(text, "exit status 2")), strings.HasSuffix(text, "exit status 2"), false
	if cut, found := strings.CutPrefix(text, "error: "); found {
		text, usage = cut, coded
	}
	if text == "" {
		return fmt.Errorf("read the manifests: %w", err)
	}
	if usage {
		return cli.Usage(errors.New(text))
	}
	return errors.New(text)
}

// moduleDir returns the folder of command scenario's module. It contains the working
// directory, which `go run -C` changes.
func moduleDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+module+"\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not within the module %s: run this as `go run -C tools/simulate .` of a checkout", dir, module)
		}
	}
}

// setPaths makes the paths of the command line absolute. Without a root it is this
// repository.
func (i *invocation) setPaths() error {
	dir, err := moduleDir()
	if err != nil {
		return err
	}
	from, err := callerDir(dir)
	if err != nil {
		return err
	}
	if i.root == "" {
		i.root = dir
	}
	for _, path := range []*string{&i.root, &i.trace, &i.compare, &i.report} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(from, *path)
		}
	}
	return nil
}

// callerDir returns the folder to which paths are relative: the working directory or,
// since `go run -C tools/simulate .` changes that, the repository.
func callerDir(moduleDir string) (string, error) {
	dir, err := os.Getwd()
	if dir == filepath.Join(moduleDir, "tools", "simulate") {
		dir = moduleDir
	}
	return dir, err
}

// scenarioAt returns the one scenario that the flags choose, with its load.
func (i *invocation) scenarioAt(ctx context.Context, revision string) (scenario.Found, error) {
	var args []string
	if revision != "" {
		args = []string{"--revision", revision}
	}
	found, err := i.find(ctx, args...)
	if err != nil {
		return scenario.Found{}, err
	}
	if len(found) != 1 {
		return scenario.Found{}, fmt.Errorf("./tools/scenario found %d ScaledObjects, and one is simulated", len(found))
	}
	return i.complete(found[0])
}

// complete applies the flags for the parts and the load.
func (i *invocation) complete(f scenario.Found) (scenario.Found, error) {
	if err := i.setParts(&f.Scenario); err != nil {
		return f, cli.Usage(err)
	}
	if i.trace == "" {
		f.Send(scenario.Flat(f.Producer, i.burst), true)
		return f, nil
	}
	t, err := scenario.LoadTrace(i.trace)
	if err != nil {
		return f, cli.Usage(err)
	}
	f.Send(scenario.Replayed(f.Producer, filepath.Base(i.trace), t), i.steady)
	return f, nil
}

// setParts applies the flags for modelled parts.
func (i *invocation) setParts(s *scenario.Scenario) error {
	for _, text := range i.parts {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("--part=%s: write name=value, such as podStart=2s..9s", text)
		}
		if err := s.Parts.Set(name, value); err != nil {
			return fmt.Errorf("--part=%s: %w", text, err)
		}
	}
	nodes := &s.Parts.Nodes
	if i.nodes > 0 {
		nodes.Count, nodes.Max = i.nodes, max(i.nodes, i.maxNodes)
	}
	if i.podsPerNode > 0 {
		nodes.Pods = i.podsPerNode
	}
	if i.maxNodes > 0 {
		nodes.Max = max(nodes.Count, i.maxNodes)
	}
	if nodes.Pods < 1 {
		return errors.New("no node of the cluster has room for a pod, by its requests: --pods-per-node says otherwise")
	}
	return nil
}

// state returns the checkout's commit, if there is one.
func state(ctx context.Context, root string) (commit string, uncommitted bool) {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	return git("rev-parse", "HEAD"), git("status", "--porcelain") != ""
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
