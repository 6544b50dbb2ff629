package pins_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

func TestReadTakesTheReplacementsVersion(t *testing.T) {
	dir := write(t, `module example.com/pins

go 1.26

tool k8s.io/kubernetes/cmd/kubelet

replace k8s.io/api => k8s.io/api v0.35.4

replace example.com/fork => example.com/other v1.2.3

require (
	example.com/fork v1.0.0
	k8s.io/api v0.0.0
	k8s.io/kubernetes v1.35.4
)
`)
	p, err := pins.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{
		"k8s.io/kubernetes": "v1.35.4",
		"k8s.io/api":        "v0.35.4",
		"example.com/fork":  "v1.0.0",
	} {
		if got, err := p.VersionOf(module); err != nil || got != want {
			t.Errorf("version of %s = %q, %v; want %s", module, got, err, want)
		}
	}
	if len(p.Programs) != 1 || p.Programs[0] != "k8s.io/kubernetes/cmd/kubelet" {
		t.Errorf("programs = %q", p.Programs)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	good := write(t, "module example.com/pins\n")
	p, err := pins.Read(good)
	if err != nil {
		t.Fatal(err)
	}
	_, missing := p.VersionOf("k8s.io/kubernetes")
	_, malformed := pins.Read(write(t, "modul example.com/pins\n"))
	_, absent := pins.Read(t.TempDir())
	_, empty := pins.Load(t.TempDir())
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"not required": {missing, "does not require k8s.io/kubernetes: add it with `go get`"},
		"malformed":    {malformed, "go.mod:1: unknown directive: modul"},
		"absent":       {absent, "read the pins of"},
		"empty root":   {empty, "no pins below"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: error %v does not say %q", name, test.err, test.want)
		}
	}
}

// Every folder of this repository can be read, and has a purpose: programs or sources.
func TestEngines(t *testing.T) {
	all, err := pins.Load("../../../engines")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if len(p.Programs) == 0 && len(p.Sources) == 0 {
			t.Errorf("%s names no program and no module", p.Name)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
