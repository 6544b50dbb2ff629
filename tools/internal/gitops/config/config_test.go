package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
)

func TestRead(t *testing.T) {
	root := t.TempDir()
	for text, want := range map[string]config.Config{
		"":               {},
		"# nothing\n":    {},
		"pins: engines":  {Pins: "engines"},
		"clusters: [a]":  {Clusters: []string{"a"}},
		"versions: []\n": {Versions: []config.Version{}},
		`
sources: [{url: https://a, module: example.com/a}, {url: https://b, path: b}]
versions: [{image: a/b, module: example.com/a}, {source: https://a, module: example.com/a}]
exceptions:
  - {rule: KEDA008, path: "apps/**", severity: warning, reason: accepted}
`: {
			Sources:    []config.Source{{URL: "https://a", Module: "example.com/a"}, {URL: "https://b", Path: "b"}},
			Versions:   []config.Version{{Image: "a/b", Module: "example.com/a"}, {Source: "https://a", Module: "example.com/a"}},
			Exceptions: []config.Exception{{Rule: "KEDA008", Path: "apps/**", Severity: "warning", Reason: "accepted", Line: 5}},
		},
	} {
		if err := os.WriteFile(filepath.Join(root, config.Name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := config.Read(root)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v\nwant %+v", text, got, err, want)
		}
	}
	if got, err := config.Read(t.TempDir()); err != nil || !reflect.DeepEqual(got, config.Config{}) {
		t.Errorf("without a file: %+v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"cluster: [a]": "line 1: field cluster not found",
		"clusters: a":  "line 1: cannot unmarshal",
		"a: [":         "did not find expected",
		"exceptions:\n  - {rule: A, path: a, severity: off, reason: r, by: me}": "line 2: field by not found",
		"exceptions:\n  - {rule: A, path: a, severity: off}":                    "line 2: an exception names a rule, a path and the reason",
		"exceptions:\n  - {rule: A, path: a, severity: low, reason: r}":         `line 2: severity "low" of A: it is warning or off`,
		"workloads:\n  - {image: a}":                                            "line 2: a workload names an image and the program",
		"workloads:\n  - {program: a}":                                          "line 2: a workload names an image and the program",
		"sources: [{module: example.com/a}]":                                    "line 1: a source names a url",
		"sources: [{url: a}]":                                                   "line 1: a source names a url and either a module or a path",
		"sources: [{url: a, module: b, path: c}]":                               "line 1: a source names a url and either a module or a path",
		"versions: [{module: a}]":                                               "line 1: a version names a module and either an image or a source",
		"versions: [{image: a}]":                                                "line 1: a version names a module",
		"workloads:\n  - {image: a, program: a}\n  -":                           "line 3: the entry is empty",
		"sources:\n  - {url: a}\nversions:\n  - {module: a}":                    "line 4: a version names a module",
		"pins: a\n---\npins: b\n":                                               "one document",
	} {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, config.Name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := config.Read(root)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), config.Name) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: any file is accepted or rejected, without a panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte("exceptions: [{rule: A, path: a, severity: off, reason: r}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data)
		if err == nil && slices.ContainsFunc(c.Exceptions, func(e config.Exception) bool { return e.Rule == "" || e.Line == 0 }) {
			t.Error("an exception says nothing")
		}
	})
}
