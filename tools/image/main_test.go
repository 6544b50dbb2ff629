package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// program makes a small module to build and changes into it.
func program(t *testing.T, source string) {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string]string{"go.mod": "module example.com/p\n\ngo 1.26\n", "hello/main.go": source} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestPushesOneDigestPerSource(t *testing.T) {
	program(t, "package main\n\nfunc main() { println(\"hello\") }\n")
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	var lines []string
	for range 2 {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"--registry", host + "/x", "--tag", "v1", "--platform", "linux/amd64,linux/arm64", "--insecure", "./hello"}, &stdout, &stderr); code != 0 {
			t.Fatalf("exit %d: %s", code, &stderr)
		}
		lines = append(lines, stdout.String())
	}
	if lines[0] != lines[1] || !regexp.MustCompile(`/x/hello@sha256:[0-9a-f]{64}\n$`).MatchString(lines[0]) {
		t.Fatalf("two builds printed %q", lines)
	}
	ref, err := name.ParseReference(strings.TrimSpace(lines[0]), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 || manifest.Manifests[1].Platform.Architecture != "arm64" {
		t.Fatalf("index %+v, %v", manifest, err)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil || config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/hello" {
		t.Errorf("config %+v, %v", config, err)
	}
}

func TestErrors(t *testing.T) {
	program(t, "package main\n\nfunc main() { undefined() }\n")
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"":                             {2, "name --registry"},
		"--nope":                       {2, "flag provided but not defined: -nope"},
		"--registry r.local/x ./hello": {1, "undefined: undefined"},
		"--registry r.local/x --platform windows ./hello": {1, `platform "windows" is not OS/ARCHITECTURE`},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &stdout, &stderr); code != want.code || !strings.Contains(stderr.String(), want.stderr) {
			t.Errorf("%q: exit %d, want %d with %q in:\n%s", args, code, want.code, want.stderr, &stderr)
		}
	}
}
