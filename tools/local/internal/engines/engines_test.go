package engines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/enginebuild"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

// fake is an engine with two programs, whose upstream module is beside it.
var fake = []enginebuild.Recipe{{Name: "fake", Module: "example.com/upstream/v2", Stamp: func(v string) string { return "-X main.version=" + v }}}

const program = "package main\n\nvar version = \"unset\"\n\nfunc main() { println(version) }\n"

// write writes a file below dir, and creates its folders.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newPins(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	write(t, root, "fake/go.mod", `module example.com/pins

go 1.26

tool (
	example.com/upstream/v2/cmd/helper
	example.com/upstream/v2
)

require example.com/upstream/v2 v2.3.4

replace example.com/upstream/v2 => ./upstream
`)
	write(t, root, "fake/go.sum", "")
	write(t, root, "fake/upstream/go.mod", "module example.com/upstream/v2\n\ngo 1.26\n")
	write(t, root, "fake/upstream/main.go", program)
	write(t, root, "fake/upstream/cmd/helper/main.go", program)
	return root
}

func loadFake(t *testing.T, root, cache string) Set {
	t.Helper()
	set, err := load(root, cache, fake)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// This repository's pins are complete.
func TestLoad(t *testing.T) {
	set, err := Load("../../../engines", "/cache")
	if err != nil {
		t.Fatal(err)
	}
	if len(set) != len(enginebuild.All()) {
		t.Errorf("%d engines of %d recipes", len(set), len(enginebuild.All()))
	}
	if set.Built() {
		t.Error("an empty cache holds every engine")
	}
}

// Flux, KEDA and this module use the same release of Kubernetes' libraries. Where the
// versions of these libraries' dependencies are equal as well, the go command compiles
// them once for all.
func TestSharedLibraries(t *testing.T) {
	ours := modulesBehind(t, "../../../..")
	for _, engine := range []string{"flux", "keda"} {
		for module, version := range modulesBehind(t, "../../../engines/"+engine) {
			if other, shared := ours[module]; shared && other != version {
				t.Errorf("tools/engines/%s has %s at %s, go.mod at %s: raise the older one with `go get`", engine, module, version, other)
			}
		}
	}
}

// modulesBehind returns the modules that Kubernetes' client libraries need, at the
// versions in the module in dir.
func modulesBehind(t *testing.T, dir string) map[string]string {
	t.Helper()
	const template = "{{with .Module}}{{.Path}} {{.Version}}{{end}}"
	cmd := exec.Command("go", "list", "-deps", "-f", template, "k8s.io/client-go/kubernetes", "sigs.k8s.io/controller-runtime")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, toolchain.Environ("CGO_ENABLED=0"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	for line := range strings.Lines(string(out)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		modules[module] = version
	}
	if modules["k8s.io/client-go"] == "" {
		t.Fatalf("%s has no client-go: %v", dir, modules)
	}
	return modules
}

func TestLoadSaysWhatToMend(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, root string)
		want  string
	}{
		"no folder": {func(t *testing.T, root string) {
			if err := os.RemoveAll(filepath.Join(root, "fake")); err != nil {
				t.Fatal(err)
			}
		}, "read the pins of fake"},
		"no checksums": {func(t *testing.T, root string) {
			if err := os.Remove(filepath.Join(root, "fake/go.sum")); err != nil {
				t.Fatal(err)
			}
		}, "fake/go.sum: no such file or directory: restore it with git"},
		"another module": {func(t *testing.T, root string) {
			write(t, root, "fake/go.mod", "module example.com/pins\n\ntool example.com/upstream/v2\n")
		}, "fake/go.mod does not require example.com/upstream/v2: add it with `go get`"},
		"no programs": {func(t *testing.T, root string) {
			write(t, root, "fake/go.mod", "module example.com/pins\n\nrequire example.com/upstream/v2 v2.3.4\n")
		}, "fake: no tool directive: name the programs with `go get -tool`"},
	} {
		t.Run(name, func(t *testing.T) {
			root := newPins(t)
			test.spoil(t, root)
			if _, err := load(root, t.TempDir(), fake); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

// A build is reused only for the same pins, settings and toolchain.
func TestKey(t *testing.T) {
	root := newPins(t)
	keys := []string{}
	add := func(toolchain string, recipes []enginebuild.Recipe) {
		t.Helper()
		set, err := load(root, "", recipes)
		if err != nil {
			t.Fatal(err)
		}
		key, err := set["fake"].key(toolchain)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	tagged := slices.Clone(fake)
	tagged[0].Tags = "netgo"

	add("go1.26.1", fake)
	add("go1.26.2", fake)
	add("go1.26.1", tagged)
	write(t, root, "fake/go.sum", "example.com/other v1.0.0 h1:00\n")
	add("go1.26.1", fake)
	write(t, root, "fake/main.go", program)
	add("go1.26.1", fake)
	mod, err := os.ReadFile(filepath.Join(root, "fake/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "fake/go.mod", strings.ReplaceAll(string(mod), "v2.3.4", "v2.3.5"))
	add("go1.26.1", fake)

	linked := slices.Clone(fake)
	linked[0].Libraries = []string{"fake"}
	library := filepath.Join(t.TempDir(), "libfake.a")
	programs := t.TempDir()
	compiler := filepath.Join(programs, "cc")
	if err := os.WriteFile(compiler, []byte("#!/bin/sh\n[ $1 = --version ] && echo cc || echo "+library+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CC", compiler)
	add("go1.26.1", linked) // also without the library
	for _, content := range []string{"1", "2"} {
		write(t, filepath.Dir(library), filepath.Base(library), content)
		add("go1.26.1", linked)
	}
	t.Setenv("CGO_CFLAGS", "-O1")
	add("go1.26.1", linked)
	slices.Sort(keys)
	if distinct := slices.Compact(slices.Clone(keys)); len(distinct) != 10 {
		t.Errorf("ten different builds have the keys %q", keys)
	}
}

func TestBuild(t *testing.T) {
	root, cache := newPins(t), t.TempDir()
	const built = `( *\d+\.\ds  building 1 engines from \d+ MB of Go, once: they stay in the cache\n` +
		` *\d+\.\ds  built fake v2\.3\.4 in \w+, 1 of 1\n` +
		` *\d+\.\ds  built the engines in \w+, with \d+\.\d minutes of processor time\n)`
	build := func(want string) {
		t.Helper()
		set := loadFake(t, root, cache)
		var said bytes.Buffer
		if err := set.build(t.Context(), fake, compilers{2, 100}, progress.New(&said)); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile("^" + want + "$").Match(said.Bytes()) {
			t.Errorf("says %q, want %q", &said, want)
		}
		if e := set["fake"]; !e.Built() || !slices.Equal(listed(t, cache), []string{filepath.Base(e.Bin)}) {
			t.Errorf("built: %t; the cache holds %q", e.Built(), listed(t, cache))
		}
	}
	// The second program has the name that go build gives it, without the version.
	build(built)
	set := loadFake(t, root, cache)
	for _, program := range []string{"helper", "upstream"} {
		out, err := exec.Command(set["fake"].Program(program)).CombinedOutput()
		if err != nil || string(out) != "v2.3.4\n" {
			t.Errorf("%s says %q, %v", program, out, err)
		}
	}
	build("")

	// A killed build left a folder, and a program is missing.
	write(t, cache, "part-fake-1/helper", "half")
	if err := os.Remove(set["fake"].Program("helper")); err != nil {
		t.Fatal(err)
	}
	if set.Built() {
		t.Error("an engine that lacks a program counts as built")
	}
	build(built)
	if err := os.Truncate(set["fake"].Program("upstream"), 0); err != nil {
		t.Fatal(err)
	}
	if set.Built() {
		t.Error("an engine with an empty program counts as built")
	}
}

// An engine with generated source is built from it, and only its programs are kept.
func TestGeneratedSource(t *testing.T) {
	root, cache := newPins(t), t.TempDir()
	says, fails := "generated", error(nil)
	generated := slices.Clone(fake)
	generated[0].Source = &enginebuild.Source{
		Key: func(dir string) (string, error) { return dir + says, nil },
		Generate: func(_ context.Context, pinned pins.Pins, out string) (string, error) {
			write(t, out, "module/go.mod", "module example.com/upstream/v2\n\ngo 1.26\n\ntool (\n\texample.com/upstream/v2\n\texample.com/upstream/v2/cmd/helper\n)\n")
			for _, name := range []string{"module/main.go", "module/cmd/helper/main.go"} {
				write(t, out, name, strings.ReplaceAll(program, "println(version)", `println("`+says+" "+pinned.Name+`", version)`))
			}
			return filepath.Join(out, "module"), fails
		},
	}
	build := func() (*Engine, error) {
		set, err := load(root, cache, generated)
		if err != nil {
			t.Fatal(err)
		}
		return set["fake"], set.build(t.Context(), generated, compilers{2, 100}, progress.New(io.Discard))
	}
	first, err := build()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(first.Program("helper")).CombinedOutput()
	if err != nil || string(out) != "generated fake v2.3.4\n" {
		t.Errorf("the program says %q, %v", out, err)
	}
	says, fails = "other", errors.New("unknown form")
	second, err := build()
	if err == nil || err.Error() != "generate the source of engine fake v2.3.4: unknown form" {
		t.Errorf("error %v", err)
	}
	if second.Bin == first.Bin {
		t.Error("another source is built under the same key")
	}
	if kept := listed(t, cache); !slices.Equal(kept, []string{filepath.Base(first.Bin)}) {
		t.Errorf("the cache holds %q", kept)
	}
}

// Engines with other pins are removed when they have not been used for long.
func TestPrune(t *testing.T) {
	root, cache := newPins(t), t.TempDir()
	set := loadFake(t, root, cache)
	present, recent, old := set["fake"].Bin, filepath.Join(cache, "fake-recent"), filepath.Join(cache, "fake-old")
	for dir, days := range map[string]int{present: 90, recent: 20, old: 40} {
		write(t, dir, "program", "x")
		at := time.Now().AddDate(0, 0, -days)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.prune(cache, time.Now()); err != nil {
		t.Fatal(err)
	}
	if kept := listed(t, cache); len(kept) != 2 || slices.Contains(kept, "fake-old") {
		t.Errorf("the cache holds %q", kept)
	}
}

// No more compilers run at the same time than the machine has cores and memory for.
func TestCompilers(t *testing.T) {
	for _, test := range []struct {
		cores  int
		memory uint64
		want   compilers
	}{{2, 16 << 30, compilers{2, 400}}, {2, 7 << 30, compilers{2, 100}}, {16, 8 << 30, compilers{4, 100}}, {16, 1 << 30, compilers{1, 100}}} {
		if got := compilersFor(test.cores, test.memory); got != test.want {
			t.Errorf("%d cores and %d GB run %v, want %v", test.cores, test.memory>>30, got, test.want)
		}
	}
}

// -n would only print the commands.
func TestBuildTakesNoFlagsOfTheMachine(t *testing.T) {
	root, cache, file := newPins(t), t.TempDir(), filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("GOFLAGS=-n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOENV", file)
	set := loadFake(t, root, cache)
	if err := set.build(t.Context(), fake, compilers{2, 100}, progress.New(io.Discard)); err != nil {
		t.Fatal(err)
	}
	if !set.Built() {
		t.Error("the programs are not there")
	}
}

func TestFailedBuild(t *testing.T) {
	root, cache := newPins(t), t.TempDir()
	write(t, root, "fake/upstream/main.go", program+"\nvar _ = undefinedName\n")
	err := loadFake(t, root, cache).build(t.Context(), fake, compilers{2, 100}, progress.New(io.Discard))
	for _, want := range []string{"build engine fake v2.3.4", "main.go:7:9: undefined: undefinedName", "retry with `make up`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if left := listed(t, cache); len(left) > 0 {
		t.Errorf("the cache holds %q", left)
	}
}

// TestMain lets this program replace go, and a compiler that go starts: unlike a shell,
// both can be interrupted at any moment.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "go":
		if os.Args[1] == "list" {
			return
		}
		compiler := exec.Command(filepath.Join(filepath.Dir(os.Getenv("COMPILING")), "compile"))
		compiler.Stdout = os.Stdout
		if err := compiler.Run(); err != nil {
			os.Exit(1)
		}
	case "compile":
		if err := os.WriteFile(os.Getenv("COMPILING"), []byte("yes"), 0o644); err != nil {
			os.Exit(1)
		}
		time.Sleep(time.Minute)
	default:
		os.Exit(m.Run())
	}
}

// An interrupted build ends its compilers, and leaves the cache unchanged.
func TestCancelledBuild(t *testing.T) {
	root, cache, programs := newPins(t), t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "compile"} {
		if err := os.Symlink(self, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	compiling := filepath.Join(programs, "compiling")
	t.Setenv("COMPILING", compiling)
	set := loadFake(t, root, cache)
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan time.Time, 1)
	go func() {
		for !exists(compiling) {
			time.Sleep(5 * time.Millisecond)
		}
		cancelled <- time.Now()
		cancel()
	}()
	err = set.build(ctx, fake, compilers{2, 100}, progress.New(io.Discard))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "build engine fake") {
		t.Errorf("error %v", err)
	}
	select {
	case at := <-cancelled:
		// A compiler that is not stopped runs for a minute.
		if took := time.Since(at); took > 30*time.Second {
			t.Errorf("it went on for %s", took)
		}
	default:
		t.Error("it ended before it was interrupted")
	}
	if left := listed(t, cache); len(left) > 0 {
		t.Errorf("the cache holds %q", left)
	}
}

func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}
