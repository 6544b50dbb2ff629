package image

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
)

// native is the platform of containers on this machine.
var native = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// instructionSets has the architectures with variants: the environment variable for Go's
// compiler, its values by the platform's variants, and the value for no variant.
var instructionSets = map[string]struct {
	variable, plain string
	variants        map[string]string
}{
	"amd64": {"GOAMD64", "v1", map[string]string{"v1": "v1", "v2": "v2", "v3": "v3", "v4": "v4"}},
	"arm":   {"GOARM", "7", map[string]string{"v5": "5", "v6": "6", "v7": "7"}},
	"arm64": {"GOARM64", "v8.0", map[string]string{"v8": "v8.0", "v9": "v9.0"}},
}

// ParsePlatforms parses platforms in the form of container tools, such as linux/arm64 or
// linux/arm/v6. Only Linux is allowed.
func ParsePlatforms(names []string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for _, name := range names {
		platform, err := parsePlatform(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(platforms, platform.Equals) {
			return nil, fmt.Errorf("platform %q is named twice", name)
		}
		platforms = append(platforms, platform)
	}
	return platforms, nil
}

func parsePlatform(name string) (v1.Platform, error) {
	p, err := v1.ParsePlatform(name)
	if err != nil || p.OS != "linux" || p.Architecture == "" || p.OSVersion != "" {
		return v1.Platform{}, fmt.Errorf("platform %q is not linux/ARCHITECTURE, such as linux/arm64", name)
	}
	if _, known := instructionSets[p.Architecture].variants[p.Variant]; p.Variant != "" && !known {
		return v1.Platform{}, fmt.Errorf("platform %q: Go has no variant %s of %s", name, p.Variant, p.Architecture)
	}
	return *p, nil
}

// Compile builds programs of the module in root for this machine, as Build does, into an
// existing folder. Use it for several images of one program, with the built file as
// Binary. It does not link a program again that has not changed. A file's name is the
// last part of its package's path.
func Compile(ctx context.Context, root string, packages []string, folder string) error {
	return compile(ctx, root, "", native, folder+string(filepath.Separator), packages...)
}

// compile builds packages of the module in dir into the file out, or into the folder out
// if it ends with a separator. Only the module's go.mod decides the dependencies.
func compile(ctx context.Context, dir, linkerFlags string, platform v1.Platform, out string, packages ...string) error {
	args := append([]string{"build", "-ldflags", cmp.Or(linkerFlags, "-s -w"), "-o", out}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// Linked in the same folder, a program appears in its place as a whole or not at all.
	cmd.Env = toolchain.Environ(append(target(platform), "CGO_ENABLED=0", "GOTMPDIR="+filepath.Dir(out))...)
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("compile %s for %s: %w", strings.Join(packages, ", "), platform, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("compile %s for %s: %w\n%s", strings.Join(packages, ", "), platform, err, tail.Lines(output, 15))
	}
	return nil
}

// target returns the go command's environment for a platform.
func target(platform v1.Platform) []string {
	env := []string{"GOOS=" + platform.OS, "GOARCH=" + platform.Architecture}
	if set, ok := instructionSets[platform.Architecture]; ok {
		env = append(env, set.variable+"="+cmp.Or(set.variants[platform.Variant], set.plain))
	}
	return env
}
