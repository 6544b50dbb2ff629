package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/enginebuild"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/internal/cli"
)

// program is one main package to build.
type program struct {
	name        string // of the image
	path, dir   string // the package, and the folder of the module to build it in
	module      string // the module that holds it
	version     string // version of the module, if it is pinned
	linkerFlags string
}

// resolve finds each argument's main package.
func resolve(ctx context.Context, args []string) ([]program, error) {
	if len(args) == 0 {
		return nil, cli.Usage(errors.New("no package: name at least one, such as ./apps/producer"))
	}
	var programs []program
	for _, arg := range args {
		name, pkg, named := strings.Cut(arg, "=")
		if !named {
			name, pkg = "", arg
		} else if name == "" || pkg == "" {
			return nil, cli.Usage(fmt.Errorf("%s is not NAME=PACKAGE", arg))
		}
		p, err := find(ctx, pkg)
		if err != nil {
			return nil, err
		}
		p.name = cmp.Or(name, p.name)
		programs = append(programs, p)
	}
	return programs, nil
}

func find(ctx context.Context, pkg string) (program, error) {
	if strings.Contains(pkg, "...") {
		return program{}, cli.Usage(fmt.Errorf("%s is a pattern: name each main package", pkg))
	}
	if build.IsLocalImport(pkg) || filepath.IsAbs(pkg) {
		return findOwn(ctx, pkg)
	}
	return findEngine(ctx, pkg)
}

func findOwn(ctx context.Context, folder string) (program, error) {
	found, err := list(ctx, ".", folder)
	if err != nil {
		return program{}, err
	}
	if found.Name == "" {
		return program{}, cli.Usage(fmt.Errorf("no Go package %s: %s", folder, found.problem()))
	}
	if found.Name != "main" {
		return program{}, cli.Usage(fmt.Errorf("%s is package %s: name a main package, such as ./apps/producer", folder, found.Name))
	}
	return program{name: executable(found.ImportPath), path: folder, dir: ".", module: found.Module.Path}, nil
}

func findEngine(ctx context.Context, pkg string) (program, error) {
	root, err := enginesFolder()
	if err != nil {
		return program{}, cli.Usage(fmt.Errorf("%s: %w", pkg, err))
	}
	engines, err := pins.Load(root)
	if err != nil {
		return program{}, err
	}
	at := slices.IndexFunc(engines, func(e pins.Pins) bool { return slices.Contains(e.Programs, pkg) })
	if at < 0 {
		return program{}, cli.Usage(fmt.Errorf("%s is not a program of %s%s", pkg, root, suggest(pkg, engines)))
	}
	engine := engines[at]
	built := enginebuild.Of(engine.Name)
	if len(built.Libraries) > 0 {
		return program{}, cli.Usage(fmt.Errorf("%s links C libraries, which an image without a base does not have", pkg))
	}
	if built.Source != nil {
		return program{}, cli.Usage(fmt.Errorf("%s is generated for the local cluster alone; other clusters run upstream's image", pkg))
	}
	found, err := list(ctx, engine.Dir, pkg)
	if err != nil {
		return program{}, err
	}
	if found.Name != "main" {
		return program{}, fmt.Errorf("the engine %s names %s, which is not a main package: %s", engine.Name, pkg, found.problem())
	}
	return program{
		name: executable(pkg), path: pkg, dir: engine.Dir, module: found.Module.Path, version: found.Module.Version,
		linkerFlags: built.LinkerFlags(found.Module.Version),
	}, nil
}

// enginesFolder returns tools/engines of the nearest parent folder that has it.
func enginesFolder() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		engines := filepath.Join(dir, "tools", "engines")
		if _, err := os.Stat(engines); err == nil {
			return filepath.Rel(start, engines)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no folder tools/engines here or above that could pin it: a folder of this module begins with ./")
		}
	}
}

// suggest ends the error about a path that no engine has.
func suggest(pkg string, engines []pins.Pins) string {
	if _, err := os.Stat(pkg); err == nil {
		return ": did you mean ./" + pkg + "?"
	}
	for _, engine := range engines {
		for _, program := range engine.Programs {
			if executable(program) == path.Base(pkg) {
				return ": did you mean " + program + "?"
			}
		}
	}
	return ": add it to an engine there with `go get -tool`"
}

// listed is the go command's description of a package.
type listed struct {
	Name, ImportPath string
	Module           struct{ Path, Version string }
	Error            struct{ Err string }
}

func (l listed) problem() string {
	if l.Error.Err == "" {
		return "it is package " + l.Name
	}
	return l.Error.Err
}

// list describes one package, as it is on Linux, in the module of dir. A package that
// does not exist has no name.
func list(ctx context.Context, dir, pkg string) (listed, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-json=Name,ImportPath,Module,Error", pkg)
	cmd.Dir = dir
	cmd.Env = toolchain.Environ("GOOS=linux", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return listed{}, fmt.Errorf("look up %s: go list: %w: %s", pkg, err, strings.TrimSpace(stderr.String()))
	}
	var found listed
	if err := json.Unmarshal(out, &found); err != nil {
		return listed{}, fmt.Errorf("look up %s: go list: %w", pkg, err)
	}
	return found, nil
}

// executable returns the name that the go command gives a program: the last element of
// its path that is not a major version.
func executable(importPath string) string {
	prefix, _, _ := module.SplitPathVersion(importPath)
	return path.Base(prefix)
}
