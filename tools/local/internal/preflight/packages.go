package preflight

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
)

// need is something that a package provides.
type need struct {
	// key is its name in packages.yaml, name the one in messages.
	key, name string
	// toBuild reports whether only the build of runc needs it.
	toBuild bool
	met     func(context.Context, compiler) bool
}

// needs are tested instead of looked up in the package database: only that they work
// matters, not where they come from.
var needs = []need{
	{"git", "git", false, func(context.Context, compiler) bool { return inPath("git") }},
	// kube-proxy can write its rules with either one.
	{"nft", "nft", false, func(context.Context, compiler) bool { return inPath("nft") || inPath("iptables") }},
	{"cc", "C compiler", true, func(_ context.Context, cc compiler) bool { return inPath(cc.program()) }},
	{"libc", "static C library", true, func(ctx context.Context, cc compiler) bool {
		return cc.links(ctx, "#include <stdlib.h>\n#include <linux/netlink.h>\nint main(void) { return 0; }\n")
	}},
	{"libseccomp", "static libseccomp", true, func(ctx context.Context, cc compiler) bool {
		return cc.links(ctx, "#include <seccomp.h>\nint main(void) { return seccomp_init(SCMP_ACT_ALLOW) == 0; }\n", "-lseccomp")
	}},
}

// missing returns the needs that this machine does not meet.
func missing(ctx context.Context, cc compiler, built bool) []need {
	var found []need
	for _, n := range needs {
		if (!built || !n.toBuild) && !n.met(ctx, cc) {
			found = append(found, n)
		}
	}
	return found
}

func inPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// compiler is the command of the C compiler that go uses, with its flags.
type compiler []string

func (cc compiler) program() string { return cc[0] }

// links reports whether a program can be linked statically with the libraries, as runc
// is.
func (cc compiler) links(ctx context.Context, source string, libraries ...string) bool {
	dir, err := os.MkdirTemp("", "preflight-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	args := slices.Concat(cc[1:], []string{"-static", "-o", filepath.Join(dir, "program"), "-x", "c", "-", "-x", "none"}, libraries)
	cmd := exec.CommandContext(ctx, cc.program(), args...)
	cmd.Stdin = strings.NewReader(source)
	return cmd.Run() == nil
}

// distribution says which packages meet the needs, and how they are installed. It is
// empty for an unknown distribution.
type distribution struct {
	IDs             []string `json:"ids"`
	Update, Install string
	// Options are added when preflight runs the commands; a person who types them needs
	// none.
	Options string
	// Packages has the packages for each need, separated by spaces; Unpackaged says how
	// else a need is met.
	Packages, Unpackaged map[string]string
}

//go:embed packages.yaml
var packagesYAML []byte

func distributions() ([]distribution, error) {
	var all []distribution
	if err := yaml.UnmarshalStrict(packagesYAML, &all); err != nil {
		return nil, fmt.Errorf("packages.yaml: %w", err)
	}
	return all, nil
}

// thisDistribution reads the first of the files that exists, see os-release(5).
func thisDistribution(files ...string) (distribution, error) {
	known, err := distributions()
	if err != nil {
		return distribution{}, err
	}
	for _, file := range files {
		if release, err := os.ReadFile(file); err == nil {
			return choose(known, string(release)), nil
		}
	}
	return distribution{}, nil
}

// choose finds the distribution itself, or else the first one in its ID_LIKE: the closest
// comes first.
func choose(known []distribution, release string) distribution {
	values := map[string]string{}
	for line := range strings.Lines(release) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = strings.Trim(value, `"'`)
	}
	for _, id := range strings.Fields(values["ID"] + " " + values["ID_LIKE"]) {
		if i := slices.IndexFunc(known, func(d distribution) bool { return slices.Contains(d.IDs, id) }); i >= 0 {
			return known[i]
		}
	}
	return distribution{}
}

// command returns the command that installs what is missing; empty if no package does.
func (d distribution) command(missing []need) string {
	var packages []string
	for _, n := range missing {
		packages = append(packages, strings.Fields(d.Packages[n.key])...)
	}
	if len(packages) == 0 || d.Install == "" {
		return ""
	}
	return d.Install + " " + strings.Join(packages, " ")
}

// advice says how to meet each need.
func (d distribution) advice(missing []need) []error {
	var packaged []need
	var found []error
	for _, n := range missing {
		if how := d.Unpackaged[n.key]; how != "" {
			found = append(found, fmt.Errorf("not installed: %s, which this distribution does not package: %s", n.name, how))
		} else {
			packaged = append(packaged, n)
		}
	}
	if len(packaged) == 0 {
		return found
	}
	how := d.command(packaged)
	if how == "" {
		how = "install them with the packages of this distribution"
	}
	return append(found, fmt.Errorf("not installed: %s: %s", names(packaged), how))
}

func names(all []need) string {
	var found []string
	for _, n := range all {
		found = append(found, n.name)
	}
	return strings.Join(found, ", ")
}

// installs reports whether preflight may install packages itself: only where that was
// tried, and unless INSTALL=no.
func (d distribution) installs() bool {
	return d.Update != "" && os.Getenv("INSTALL") != "no"
}

// install installs what is missing. It refreshes the package lists only if the
// installation fails without.
func (d distribution) install(ctx context.Context, missing []need, progress io.Writer) error {
	command := d.command(missing)
	fmt.Fprintf(progress, "not installed: %s; installing: %s\n", names(missing), command)
	out, err := d.run(ctx, command)
	if err != nil {
		if out, err = d.run(ctx, d.Update); err == nil {
			out, err = d.run(ctx, command)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s\ninstall it yourself: %s", err, tail.Lines(out, 8), command)
	}
	return nil
}

// run runs a command so that the package manager neither asks the user nor restarts
// services.
func (d distribution) run(ctx context.Context, command string) ([]byte, error) {
	words := strings.Fields(command + " " + d.Options)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w", command, err)
	}
	return out, err
}
