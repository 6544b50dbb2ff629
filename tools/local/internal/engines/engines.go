// Package engines builds the upstream programs that the local cluster runs.
//
// Each folder of tools/engines is a Go module that pins one upstream project;
// its tool directives name the programs to build. A build lands in the cache
// under a key of the module's pins, its build settings and the Go toolchain,
// so that it happens once; it is moved into place as a whole, so that a folder
// that exists is complete. Engines build one after the other, because a single
// link of Kubernetes or KEDA takes up to 3 GB of memory.
//
// The package knows nothing of how the programs are run.
package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/pins"
)

// Engine is one upstream project at its pin.
type Engine struct {
	pins.Pins
	// Module is the upstream module, Version what it is pinned to.
	Module, Version string
	// Bin is the folder of the built programs, each named as go build names it.
	Bin string

	recipe recipe
	key    string
}

// recipe is what a plain `go build` does not know of an engine.
type recipe struct {
	module string
	cgo    bool
	tags   string
	// stamp gives the linker flags that set the program's version.
	stamp func(version string) string
}

var recipes = map[string]recipe{
	"cni":        {module: "github.com/containernetworking/plugins"},
	"containerd": {module: "github.com/containerd/containerd/v2", stamp: func(v string) string { return "-X github.com/containerd/containerd/v2/version.Version=" + v }},
	"coredns":    {module: "github.com/coredns/coredns"},
	"etcd":       {module: "go.etcd.io/etcd/server/v3"},
	"flux":       {module: "github.com/fluxcd/kustomize-controller"},
	"keda": {module: "github.com/kedacore/keda/v2", stamp: func(v string) string {
		return "-X github.com/kedacore/keda/v2/version.Version=" + strings.TrimPrefix(v, "v")
	}},
	"kubernetes": {module: "k8s.io/kubernetes", stamp: kubernetesStamp},
	// KEDA and Flux ask for the seccomp profile RuntimeDefault, which runc only
	// knows with libseccomp; static, so that it runs in any mount namespace.
	"runc": {module: "github.com/opencontainers/runc", cgo: true, tags: "seccomp netgo osusergo", stamp: func(string) string { return "-extldflags -static" }},
}

// kubernetesStamp sets what the node and the API server report; without it
// they show a template.
func kubernetesStamp(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const pkg = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", pkg, version, pkg, parts[0], pkg, parts[1])
}

// Set is every engine by name.
type Set map[string]*Engine

// Load reads the pins below root, the folder tools/engines, and says where
// each engine's programs are or will be below cache. It builds nothing.
func Load(root, cache string) (Set, error) {
	set := Set{}
	for name, r := range recipes {
		e, err := load(filepath.Join(root, name), cache, name, r)
		if err != nil {
			return nil, err
		}
		set[name] = e
	}
	return set, nil
}

func load(dir, cache, name string, r recipe) (*Engine, error) {
	pinned, err := pins.Read(dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{Pins: pinned, Module: r.module, recipe: r}
	if e.Version, err = pinned.VersionOf(r.module); err != nil {
		return nil, err
	}
	if len(e.Programs) == 0 {
		return nil, fmt.Errorf("%s: no tool directive: name the programs with `go get -tool`", dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("read the pins of engine %s: %w", name, err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return nil, fmt.Errorf("read the checksums of engine %s: %w", name, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOARCH, e.arguments(""))
	h.Write(data)
	h.Write(sum)
	e.key = hex.EncodeToString(h.Sum(nil))[:16]
	e.Bin = filepath.Join(cache, name+"-"+e.key)
	return e, nil
}

// Built tells whether the engine's programs are in the cache.
func (e *Engine) Built() bool {
	_, err := os.Stat(e.Bin)
	return err == nil
}

// Program is the path of one built program by its file name.
func (e *Engine) Program(name string) string { return filepath.Join(e.Bin, name) }

// Built tells whether every engine is in the cache.
func (s Set) Built() bool {
	for _, e := range s {
		if !e.Built() {
			return false
		}
	}
	return true
}

// Build builds what the cache lacks, one engine at a time, and reports each
// with its time to progress.
func (s Set) Build(ctx context.Context, progress io.Writer) error {
	// Small first: the first minutes show that the machine is able to build.
	for _, name := range []string{"runc", "cni", "etcd", "containerd", "coredns", "flux", "keda", "kubernetes"} {
		e := s[name]
		if e.Built() {
			continue
		}
		if err := e.build(ctx, progress); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) build(ctx context.Context, progress io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(e.Bin), 0o755); err != nil {
		return fmt.Errorf("make the engine cache: %w", err)
	}
	part, err := os.MkdirTemp(filepath.Dir(e.Bin), "part-"+e.Name+"-")
	if err != nil {
		return fmt.Errorf("make the build folder of engine %s: %w", e.Name, err)
	}
	defer os.RemoveAll(part)

	start := time.Now()
	fmt.Fprintf(progress, "building %s %s (%d programs)\n", e.Name, e.Version, len(e.Programs))
	done := make(chan struct{})
	defer close(done)
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
	out, err := e.goCommand(ctx, e.arguments(part)...).CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("build engine %s %s: %w\n%s\nretry with `make up`: what is built is kept", e.Name, e.Version, err, lastLines(out, 15))
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return err
	}
	if err := os.Rename(part, e.Bin); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("keep engine %s: %w", e.Name, err)
	}
	fmt.Fprintf(progress, "  built %s in %s\n", e.Name, time.Since(start).Round(time.Second))
	return nil
}

func (e *Engine) arguments(out string) []string {
	ldflags := "-s -w"
	if e.recipe.stamp != nil {
		ldflags += " " + e.recipe.stamp(e.Version)
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", out + string(filepath.Separator)}
	if e.recipe.tags != "" {
		args = append(args, "-tags", e.recipe.tags)
	}
	return append(args, "tool")
}

func (e *Engine) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = e.Dir
	cgo := "CGO_ENABLED=0"
	if e.recipe.cgo {
		cgo = "CGO_ENABLED=1"
	}
	cmd.Env = append(os.Environ(), cgo, "GOWORK=off", "GOFLAGS=")
	return cmd
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
