// Package engines builds the upstream programs that the local cluster runs.
//
// Each folder of tools/engines is a Go module that pins one upstream project; its tool
// directives name the programs to build. A build is cached under a key, so that it
// happens once. The key covers the module's pins and Go files, its build settings, the Go
// toolchain, the C toolchain for engines that link C, and the generator of a generated
// source. A build is moved into place as a whole, and repeated if it lacks a program.
// Engines build one after the other, because a single link of Kubernetes or KEDA takes up
// to 3 GB of memory. The caller must see to it that no other command builds in the same
// cache.
//
// The package must not know how the programs are run.
package engines

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/module"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/enginebuild"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
)

// Engine is one upstream project at its pin.
type Engine struct {
	pins.Pins
	// Module is the upstream module, Version its pinned version.
	Module, Version string
	// Bin is the folder of the built programs, each named as go build names it.
	Bin string

	recipe enginebuild.Recipe
	// module is the folder in which the go command runs: Dir, or a generated source.
	module string
}

// Set has every engine by its name.
type Set map[string]*Engine

// Load reads the pins below root, the folder tools/engines, and determines where each
// engine's programs are or will be below cache. It builds nothing.
func Load(root, cache string) (Set, error) {
	return load(root, cache, enginebuild.All())
}

func load(root, cache string, recipes []enginebuild.Recipe) (Set, error) {
	set := Set{}
	for _, r := range recipes {
		e, err := loadOne(filepath.Join(root, r.Name), cache, r)
		if err != nil {
			return nil, err
		}
		set[r.Name] = e
	}
	return set, nil
}

func loadOne(dir, cache string, r enginebuild.Recipe) (*Engine, error) {
	pinned, err := pins.Read(dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{Pins: pinned, Module: r.Module, recipe: r, module: dir}
	if e.Version, err = pinned.VersionOf(r.Module); err != nil {
		return nil, err
	}
	if len(e.Programs) == 0 {
		return nil, fmt.Errorf("%s: no tool directive: name the programs with `go get -tool`", dir)
	}
	key, err := e.key(runtime.Version())
	if err != nil {
		return nil, err
	}
	e.Bin = filepath.Join(cache, e.Name+"-"+key)
	return e, nil
}

// key changes with everything that changes the built programs. Other settings of the
// machine have no influence on them, see package toolchain.
func (e *Engine) key(goVersion string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, goVersion, runtime.GOARCH, toolchain.Flags, e.arguments(""))
	if len(e.recipe.Libraries) > 0 {
		if err := e.hashC(h); err != nil {
			return "", err
		}
	}
	if e.recipe.Source != nil {
		key, err := e.recipe.Source.Key(e.Dir)
		if err != nil {
			return "", fmt.Errorf("find what the source of engine %s is generated from: %w", e.Name, err)
		}
		fmt.Fprintln(h, key)
	}
	ours, err := filepath.Glob(filepath.Join(e.Dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range append(ours, filepath.Join(e.Dir, "go.mod"), filepath.Join(e.Dir, "go.sum")) {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the pins of engine %s: %w: restore it with git", e.Name, err)
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// hashC hashes what a build takes from C: the compiler, its flags and the libraries. A
// missing library is left out; the build will report it.
func (e *Engine) hashC(w io.Writer) error {
	ask := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).Output()
		return string(out)
	}
	flags := ask("go", "env", "CC", "CGO_CFLAGS", "CGO_CPPFLAGS")
	cc, _, _ := strings.Cut(flags, "\n")
	fmt.Fprintln(w, flags, ask(cc, "--version"))
	for _, library := range e.recipe.Libraries {
		file := strings.TrimSpace(ask(cc, "-print-file-name=lib"+library+".a"))
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the library %s of engine %s: %w", library, e.Name, err)
		}
		fmt.Fprintf(w, "%s %x\n", library, sha256.Sum256(data))
	}
	return nil
}

// Built reports whether the cache holds every program of the engine. A folder that lost
// one, after a full disk or a cleanup, does not count.
func (e *Engine) Built() bool {
	for _, pkg := range e.Programs {
		info, err := os.Stat(e.Program(programName(pkg)))
		if err != nil || info.Size() == 0 {
			return false
		}
	}
	return true
}

// programName returns the file name that go build gives to a main package.
func programName(pkg string) string {
	if prefix, _, ok := module.SplitPathVersion(pkg); ok {
		pkg = prefix
	}
	return path.Base(pkg)
}

// Program returns the path of a built program, by its file name.
func (e *Engine) Program(name string) string { return filepath.Join(e.Bin, name) }

// Built reports whether every engine is in the cache.
func (s Set) Built() bool {
	for _, e := range s {
		if !e.Built() {
			return false
		}
	}
	return true
}
