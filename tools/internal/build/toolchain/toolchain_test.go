package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A build does not depend on settings in the environment or in the file of `go env -w`.
func TestNoSettingOfTheMachineCounts(t *testing.T) {
	settings := []string{"GOFLAGS=-tags=x", "GOEXPERIMENT=jsonv2", "GOFIPS140=latest", "GOAMD64=v3", "GOARM64=v9.0", "GOARM=5"}
	clean := goEnv(t)
	for name, set := range map[string]func(*testing.T){
		"file": func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "env")
			if err := os.WriteFile(file, []byte(strings.Join(settings, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOENV", file)
		},
		"environment": func(t *testing.T) {
			for _, setting := range settings {
				name, value, _ := strings.Cut(setting, "=")
				t.Setenv(name, value)
			}
			t.Setenv("GOWORK", filepath.Join(t.TempDir(), "go.work"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			set(t)
			if got := goEnv(t); got != clean {
				t.Errorf("go env is\n%swant\n%s", got, clean)
			}
			if got := goEnv(t, "GOAMD64=v2"); got == clean {
				t.Error("what a build asks for does not count")
			}
		})
	}
}

// Packages that the Makefile's go commands compile are not compiled again for the
// cluster.
func TestMakefileHasTheSameFlags(t *testing.T) {
	makefile, err := os.ReadFile("../../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	want := "export GOFLAGS := $(strip $(GOFLAGS)" + strings.TrimPrefix(Flags, "-mod=readonly") + ")\n"
	if !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile has no line %s", want)
	}
}

// Git refuses another user's checkout to root, unless the checkout is marked as safe.
func TestGitIsNotAsked(t *testing.T) {
	dir, programs := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		filepath.Join(dir, "go.mod"):    "module example.com/program\n",
		filepath.Join(dir, "main.go"):   "package main\n\nfunc main() {}\n",
		filepath.Join(programs, "git"):  "#!/bin/sh\necho 'fatal: detected dubious ownership' >&2\nexit 128\n",
		filepath.Join(dir, ".git/HEAD"): "ref: refs/heads/main\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for _, args := range [][]string{{"list", "-deps", "."}, {"build", "-o", filepath.Join(dir, "program"), "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = Environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %v: %v\n%s", args, err, out)
		}
	}
}

// goEnv returns the build tags, which include the enabled experiments, in the order of go
// list.
func goEnv(t *testing.T, more ...string) string {
	t.Helper()
	var all strings.Builder
	for _, args := range [][]string{
		{"env", "GOWORK", "GOFLAGS", "GOFIPS140", "GOAMD64", "GOARM", "GOARM64"},
		{"list", "-f", "{{context.ToolTags}} {{context.BuildTags}}", "runtime"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = Environ(more...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
		all.Write(out)
	}
	return all.String()
}
