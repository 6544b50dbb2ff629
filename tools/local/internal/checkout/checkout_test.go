package checkout

import (
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/gitserver"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git.Run(t.Context(), dir, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// newServer serves an empty repository, as the cluster does.
func newServer(t *testing.T) (url, dir string) {
	t.Helper()
	root := t.TempDir()
	if err := gitserver.InitBare(t.Context(), root, "r.git"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gitserver.Handler(root))
	t.Cleanup(server.Close)
	return server.URL + "/r.git", filepath.Join(root, "r.git")
}

// newCheckout returns a checkout with the committed file a, changed since, and an
// untracked b.
func newCheckout(t *testing.T) string {
	t.Helper()
	// The user's own settings must not matter.
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	dir := t.TempDir()
	run(t, dir, "init", "--quiet", "--initial-branch=work")
	write(t, dir, "a", "committed")
	write(t, dir, ".gitignore", "ignored\n")
	run(t, dir, "add", ".")
	run(t, dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message=one")
	write(t, dir, "a", "changed")
	write(t, dir, "b", "untracked")
	write(t, dir, "ignored", "stays here")
	return dir
}

func TestPushHead(t *testing.T) {
	dir := newCheckout(t)
	url, server := newServer(t)
	before := snapshot(t, dir)
	for range 2 {
		if err := Push(t.Context(), dir, url, false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("the push has written into the checkout (-before +after):\n%s", diff)
	}
	if got, want := run(t, server, "rev-parse", "main"), run(t, dir, "rev-parse", "HEAD"); got != want {
		t.Errorf("main is %s, want HEAD, %s", got, want)
	}
	// The checkout replaces what was pushed before.
	run(t, dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--amend", "--message=other")
	if err := Push(t.Context(), dir, url, false); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, server, "rev-parse", "main"), run(t, dir, "rev-parse", "HEAD"); got != want {
		t.Errorf("main is %s, want the amended %s", got, want)
	}
}

// snapshot returns every file of a checkout, including its repository, with facts that
// change when the file is written or replaced. Git updates the time of an object that it
// finds.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files[name] = fmt.Sprint(info.Mode(), info.Size(), info.Sys().(*syscall.Stat_t).Ino)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ownTemporary gives the test a folder for temporary files of its own: machine-state.sh,
// which a test of the cluster may run at the same time, lists this program's in /tmp.
func ownTemporary(t *testing.T) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
}

// The working tree is pushed as it is, and nothing is written to the checkout: under sudo
// it would belong to root.
func TestPushWorkTree(t *testing.T) {
	ownTemporary(t)
	dir := newCheckout(t)
	url, server := newServer(t)
	head, before := run(t, dir, "rev-parse", "HEAD"), snapshot(t, dir)
	if err := Push(t.Context(), dir, url, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("the push has written into the checkout (-before +after):\n%s", diff)
	}
	if files := run(t, server, "ls-tree", "--name-only", "main"); files != ".gitignore\na\nb" {
		t.Errorf("pushed the files %q", files)
	}
	if a := run(t, server, "show", "main:a"); a != "changed" {
		t.Errorf("pushed a as %q", a)
	}
	if parent := run(t, server, "rev-parse", "main^"); parent != head {
		t.Errorf("the commit's parent is %s, want HEAD, %s", parent, head)
	}
}

// CI clones one commit only.
func TestPushShallowClone(t *testing.T) {
	origin := newCheckout(t)
	run(t, origin, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--all", "--message=two")
	dir := filepath.Join(t.TempDir(), "clone")
	run(t, origin, "clone", "--quiet", "--depth=1", "file://"+origin, dir)
	url, server := newServer(t)
	if err := Push(t.Context(), dir, url, false); err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "again")
	run(t, server, "clone", "--quiet", "--depth=1", "--branch=main", url, clone)
	if got, want := run(t, clone, "rev-parse", "HEAD"), run(t, dir, "rev-parse", "HEAD"); got != want {
		t.Errorf("a clone of it is at %s, want %s", got, want)
	}
}

func TestPushSaysWhatToFix(t *testing.T) {
	url, _ := newServer(t)
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	empty := t.TempDir()
	run(t, empty, "init", "--quiet")
	for name, test := range map[string]struct {
		dir, url string
		want     string
	}{
		"no repository": {t.TempDir(), url, "is not a checkout that git can read: git rev-parse: exit status 128: fatal: not a git repository"},
		"no commit":     {empty, url, "has no commit to push: commit first, or push the working tree with --worktree"},
		"no server":     {newCheckout(t), url + "/absent", "push to the local Git server: git push: exit status 128: fatal: "},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Push(t.Context(), test.dir, test.url, false); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

// A checkout without a commit can be pushed, too.
func TestPushWorkTreeWithoutCommit(t *testing.T) {
	ownTemporary(t)
	dir := t.TempDir()
	run(t, dir, "init", "--quiet")
	write(t, dir, "a", "new")
	url, server := newServer(t)
	if err := Push(t.Context(), dir, url, true); err != nil {
		t.Fatal(err)
	}
	if a := run(t, server, "show", "main:a"); a != "new" {
		t.Errorf("pushed a as %q", a)
	}
}

func TestState(t *testing.T) {
	dir := newCheckout(t)
	head := run(t, dir, "rev-parse", "HEAD")
	if commit, changed, err := State(t.Context(), dir); err != nil || commit != head || !changed {
		t.Errorf("changed files: %s, %t, %v", commit, changed, err)
	}
	run(t, dir, "add", ".")
	run(t, dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--amend", "--message=all")
	head = run(t, dir, "rev-parse", "HEAD")
	if commit, changed, err := State(t.Context(), dir); err != nil || commit != head || changed {
		t.Errorf("all committed: %s, %t, %v", commit, changed, err)
	}
	empty := t.TempDir()
	run(t, empty, "init", "--quiet")
	if commit, changed, err := State(t.Context(), empty); err != nil || commit != "" || changed {
		t.Errorf("no commit: %s, %t, %v", commit, changed, err)
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	if _, _, err := State(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "read the state of") {
		t.Errorf("no repository: %v", err)
	}
}
