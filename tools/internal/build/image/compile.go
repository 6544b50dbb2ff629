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

// native is the platform of a container on this machine.
var native = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// instructionSets are the architectures with variants: the variable that tells
// Go's compiler, the platform's variants as its values, and the value for none.
var instructionSets = map[string]struct {
	variable, plain string
	variants        map[string]string
}{
	"amd64": {"GOAMD64", "v1", map[string]string{"v1": "v1", "v2": "v2", "v3": "v3", "v4": "v4"}},
	"arm":   {"GOARM", "7", map[string]string{"v5": "5", "v6": "6", "v7": "7"}},
	"arm64": {"GOARM64", "v8.0", map[string]string{"v8": "v8.0", "v9": "v9.0"}},
}

// ParsePlatforms reads platforms as container tools write them, such as
// linux/arm64 or linux/arm/v6. Images run on Linux alone.
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

// Compile builds programs of the module in root for this machine, as Build does for
// an image, into a folder that exists: for more than one image of a program, each
// with that file as its Binary. A program that is there and has not changed is not
// linked again. Its file's name is the last part of its package's path.
func Compile(ctx context.Context, root string, packages []string, folder string) error {
	return compile(ctx, root, "", native, folder+string(filepath.Separator), packages...)
}

// compile builds packages of the module that dir is in as the file out, or into the
// folder out if that ends as folders do. The go.mod decides alone what goes in.
func compile(ctx context.Context, dir, linkerFlags string, platform v1.Platform, out string, packages ...string) error {
	args := append([]string{"build", "-ldflags", cmp.Or(linkerFlags, "-s -w"), "-o", out}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// Linked beside its place, a program gets there whole or not at all.
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

// target is the go command's environment for a platform.
func target(platform v1.Platform) []string {
	env := []string{"GOOS=" + platform.OS, "GOARCH=" + platform.Architecture}
	if set, ok := instructionSets[platform.Architecture]; ok {
		env = append(env, set.variable+"="+cmp.Or(set.variants[platform.Variant], set.plain))
	}
	return env
}
