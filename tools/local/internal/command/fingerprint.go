package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/images"
)

// installed are the packages that define how the cluster starts and what is applied to it
// before Flux.
var installed = []string{"./tools/local/internal/supervisor", "./tools/local/internal/coredns", "./tools/local/internal/flux"}

// checkSame returns an error if the running cluster was started with other programs or
// pins than the checkout's: a push changes only manifests.
func (e *environment) checkSame(ctx context.Context) error {
	other := errors.New(
		"the cluster runs other programs or pins than this checkout has, which a push does not change: " +
			"end it with `make down`, then start it anew",
	)
	started, err := os.ReadFile(e.paths.Fingerprint())
	if err != nil {
		return other
	}
	specs, err := images.Specs(ctx, e.root, e.engines)
	if err != nil {
		return err
	}
	present, err := e.fingerprint(ctx, specs)
	if err != nil {
		return err
	}
	if present != string(started) {
		return other
	}
	return nil
}

// fingerprint changes with everything that reaches the cluster only at its start: the
// images, the engines, and the code that installs both.
func (e *environment) fingerprint(ctx context.Context, specs []image.Spec) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version())
	for _, name := range slices.Sorted(maps.Keys(e.engines)) {
		fmt.Fprintln(h, e.engines[name].Bin)
	}
	packages := slices.Clone(installed)
	for _, spec := range specs {
		if spec.Package != "" {
			packages = append(packages, spec.Package)
		}
		spec.Dir = "" // the same checkout in another folder counts as the same
		if err := json.NewEncoder(h).Encode(spec); err != nil {
			return "", err
		}
	}
	files, err := sourceFiles(ctx, e.root, packages)
	if err != nil {
		return "", err
	}
	for _, file := range append(files, "go.mod", "go.sum") {
		data, err := os.ReadFile(filepath.Join(e.root, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, file, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sourceFiles returns the files of the module in root from which the packages are
// compiled, by their paths in the module.
func sourceFiles(ctx context.Context, root string, packages []string) ([]string, error) {
	const ofMainModule = `{{if and .Module .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}
{{end}}{{end}}`
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-f", ofMainModule}, packages...)...)
	cmd.Dir = root
	cmd.Env = toolchain.Environ("CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w\n%s", strings.Join(packages, " "), err, stderr.String())
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		if file := strings.TrimSpace(line); file != "" {
			name, err := filepath.Rel(root, file)
			if err != nil {
				return nil, err
			}
			files = append(files, name)
		}
	}
	return files, nil
}
