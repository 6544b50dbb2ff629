// Package pins reads the pinned versions of upstream projects. Each is pinned once, in a
// Go module below tools/engines. The local cluster's programs, the schemas that validate
// checks against, and the manifests that Flux installs come from the same pin.
//
// The package must not know what pinned modules are used for.
package pins

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
)

// Pins is a folder of tools/engines: a Go module that pins one upstream project and
// everything that the project links.
type Pins struct {
	// Name is the folder's name, Dir its path.
	Name, Dir string
	// Programs are the import paths of the main packages that its tool
	// directives name.
	Programs []string
	// Sources are the modules that it requires only for their files, such as
	// CustomResourceDefinitions: no Go code imports them.
	Sources []string

	versions map[string]string
}

// Load reads every folder of root, which is tools/engines, in the order of the names.
func Load(root string) ([]Pins, error) {
	files, err := filepath.Glob(filepath.Join(root, "*", "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("list the pins below %s: %w", root, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no pins below %s: it should hold one folder with a go.mod per upstream project", root)
	}
	var all []Pins
	for _, file := range files {
		pins, err := Read(filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		all = append(all, pins)
	}
	return all, nil
}

// Find returns the version of a module in the first folder that pins it.
func Find(all []Pins, module string) (version string, found bool) {
	for _, p := range all {
		if version, found = p.versions[module]; found {
			return version, true
		}
	}
	return "", false
}

// Read reads the go.mod of one folder.
func Read(dir string) (Pins, error) {
	pins := Pins{Name: filepath.Base(dir), Dir: dir, versions: map[string]string{}}
	file := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return Pins{}, fmt.Errorf("read the pins of %s: %w", pins.Name, err)
	}
	mod, err := modfile.Parse(file, data, nil)
	if err != nil {
		return Pins{}, fmt.Errorf("parse the pins of %s: %w", pins.Name, err)
	}
	for _, require := range mod.Require {
		pins.versions[require.Mod.Path] = require.Mod.Version
		if !require.Indirect {
			pins.Sources = append(pins.Sources, require.Mod.Path)
		}
	}
	for _, replace := range mod.Replace {
		// Kubernetes requires its staging modules at v0.0.0, and replaces them.
		if replace.New.Path == replace.Old.Path {
			pins.versions[replace.Old.Path] = replace.New.Version
		}
	}
	for _, tool := range mod.Tool {
		pins.Programs = append(pins.Programs, tool.Path)
	}
	return pins, nil
}

// VersionOf returns the version at which this folder pins a module.
func (p Pins) VersionOf(module string) (string, error) {
	version, found := p.versions[module]
	if !found {
		return "", fmt.Errorf("%s does not require %s: add it with `go get`", filepath.Join(p.Dir, "go.mod"), module)
	}
	return version, nil
}

// SourceOf returns the folder with a pinned module's source. If it is not in the module
// cache, the go command fetches it and checks it against go.sum.
func (p Pins) SourceOf(ctx context.Context, module string) (string, error) {
	dir, err := p.dirOf(ctx, module)
	if dir != "" || err != nil {
		return dir, err
	}
	if out, err := p.goCommand(ctx, "mod", "download", module).CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch %s as %s pins it: %w\n%s", module, p.Name, err, out)
	}
	return p.dirOf(ctx, module)
}

// dirOf returns the module's folder in the module cache; empty if it is not there.
func (p Pins) dirOf(ctx context.Context, module string) (string, error) {
	cmd := p.goCommand(ctx, "list", "-m", "-f", "{{.Dir}}", module)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find the source of %s as %s pins it: %w\n%s", module, p.Name, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (p Pins) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = p.Dir
	cmd.Env = toolchain.Environ()
	return cmd
}
