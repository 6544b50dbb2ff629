package preflight

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
)

// With every module in the cache no network is needed; otherwise the proxy must answer,
// in whatever way go reaches it.
func TestUnfetchable(t *testing.T) {
	proxy := t.TempDir()
	answers := filepath.Join(proxy, "example.com", "!engine", "@v", "v1.2.3.info")
	if err := os.MkdirAll(filepath.Dir(answers), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answers, []byte(`{"Version":"v1.2.3"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cached bool
		proxy  string
		want   string
	}{
		"cached":          {true, "off", ""},
		"a proxy":         {false, "file://" + proxy, ""},
		"no network":      {false, "http://127.0.0.1:1", "connection refused"},
		"none is allowed": {false, "off", "module lookup disabled by GOPROXY=off"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, modules := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/pins\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if test.cached {
				if err := os.MkdirAll(filepath.Join(modules, "example.com", "!engine@v1.2.3"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("GOMODCACHE", modules)
			t.Setenv("GOPROXY", test.proxy)
			t.Setenv("GONOSUMDB", "*")
			t.Setenv("HTTP_PROXY", "")
			t.Setenv("http_proxy", "")
			set := engines.Set{"engine": {Pins: pins.Pins{Dir: dir}, Module: "example.com/Engine", Version: "v1.2.3"}}
			err := unfetchable(t.Context(), set, modules)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	if err := unreadable(t.Context(), dir); err == nil || !strings.Contains(err.Error(), dir+" is not a checkout that git can read") {
		t.Errorf("no repository: %v", err)
	}
	if out, err := exec.Command("git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := unreadable(t.Context(), dir); err != nil {
		t.Error(err)
	}
	// Git's own switch for this test: it treats the repository as another user's.
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")
	want := "git refuses " + dir + ", which belongs to another user: run git config --global --add safe.directory " + dir
	if err := unreadable(t.Context(), dir); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
