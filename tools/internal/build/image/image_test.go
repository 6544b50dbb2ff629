package image

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// The compiler gets the platform that the image declares.
func TestPlatforms(t *testing.T) {
	for name, want := range map[string]string{
		"linux/amd64":    "GOOS=linux GOARCH=amd64 GOAMD64=v1",
		"linux/amd64/v3": "GOOS=linux GOARCH=amd64 GOAMD64=v3",
		"linux/arm64":    "GOOS=linux GOARCH=arm64 GOARM64=v8.0",
		"linux/arm64/v8": "GOOS=linux GOARCH=arm64 GOARM64=v8.0",
		"linux/arm/v6":   "GOOS=linux GOARCH=arm GOARM=6",
		"linux/riscv64":  "GOOS=linux GOARCH=riscv64",
	} {
		platforms, err := ParsePlatforms([]string{name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(target(platforms[0]), " "); got != want || platforms[0].String() != name {
			t.Errorf("%s is %s: %s, want %s", name, platforms[0], got, want)
		}
	}
	for names, want := range map[string]string{
		"linux":                   `platform "linux" is not linux/ARCHITECTURE`,
		"":                        `platform "" is not linux/ARCHITECTURE`,
		"windows/amd64":           `platform "windows/amd64" is not linux/ARCHITECTURE`,
		"linux/amd64:10":          `platform "linux/amd64:10" is not linux/ARCHITECTURE`,
		"linux/arm/v7/x":          `platform "linux/arm/v7/x" is not linux/ARCHITECTURE`,
		"linux/arm/v9":            `platform "linux/arm/v9": Go has no variant v9 of arm`,
		"linux/riscv64/v1":        `platform "linux/riscv64/v1": Go has no variant v1 of riscv64`,
		"linux/amd64,linux/amd64": `platform "linux/amd64" is named twice`,
	} {
		if _, err := ParsePlatforms(strings.Split(names, ",")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", names, err, want)
		}
	}
}

func TestBuildOfABuiltProgram(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "operator")
	if err := os.WriteFile(binary, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := Build(t.Context(), Spec{Name: "kedacore/keda", Binary: binary, Entrypoint: "/bin/keda"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	config, err := a.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config; got.User != User || !slices.Equal(got.Entrypoint, []string{"/bin/keda"}) {
		t.Errorf("configuration %+v", got)
	}
	// Close removes what Build made, but not its input.
	files, err := io.ReadAll(mutate.Extract(a.Image))
	if err != nil || !strings.Contains(string(files), "program") {
		t.Errorf("the files are %q, %v", files, err)
	}

	two := []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
	if _, err := Build(t.Context(), Spec{Name: "keda", Binary: binary, Platforms: two}); err == nil || !strings.Contains(err.Error(), "is built already, for one platform and not for 2") {
		t.Errorf("one binary for two platforms: %v", err)
	}
}

// -n would only print the commands.
func TestCompileTakesNoFlagsOfTheMachine(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	env := filepath.Join(dir, "env")
	for file, content := range map[string]string{
		"env": "GOFLAGS=-n\n", "go.mod": "module example.com/x\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOENV", env)
	if err := Compile(t.Context(), dir, []string{"."}, out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(out, "x")); err != nil {
		t.Error(err)
	}
}

func TestAFailedBuildLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if _, err := Build(t.Context(), Spec{Name: "x", Package: "./nowhere", Dir: "."}); err == nil || !strings.Contains(err.Error(), "compile ./nowhere for linux/") {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := http.Client{Transport: encrypted{http.DefaultTransport}}
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("on this machine: %v", err)
	}
	_ = response.Body.Close()
	for _, host := range []string{"10.0.0.1:5000", "registry.local", "localhost.example.com", "[fd00::1]"} {
		response, err := client.Get("http://" + host + "/v2/")
		if err == nil {
			_ = response.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is not this machine: plain http to it must be asked for as insecure") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestPushNeedsARegistry(t *testing.T) {
	for _, ref := range []string{"producer:v1", "ghcr.io/Producer:v1", "ghcr.io/producer"} {
		if err := Push(t.Context(), ref, Artifact{}, false); err == nil || !strings.Contains(err.Error(), "image reference") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// Crossplane reads a package's metadata from the one annotated layer, and Crossplane
// itself finds the files beside its program.
func TestCrossplanePackage(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "function")
	for file, content := range map[string]string{binary: "program", filepath.Join(dir, "crds", "a.yaml"): "definition"} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Build(t.Context(), Spec{
		Name: "r/function", Binary: binary, Arguments: []string{"-group=x"},
		Files: map[string]string{"crds": filepath.Join(dir, "crds")}, CrossplanePackage: []byte("kind: Function\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := a.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, layer := range manifest.Layers {
		if got, last := layer.Annotations["io.crossplane.xpkg"] == "base", i == len(manifest.Layers)-1; got != last {
			t.Errorf("layer %d of %d has the annotations %v", i, len(manifest.Layers), layer.Annotations)
		}
	}
	files, err := io.ReadAll(mutate.Extract(a.Image))
	for _, want := range []string{"function", "program", "crds/a.yaml", "definition", "package.yaml", "kind: Function"} {
		if err != nil || !strings.Contains(string(files), want) {
			t.Errorf("no %s among the files, %v", want, err)
		}
	}
	config, err := a.Image.ConfigFile()
	if err != nil || !slices.Equal(config.Config.Cmd, []string{"-group=x"}) {
		t.Errorf("configuration %+v, %v", config, err)
	}
}
