package gitserver

import (
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

func write(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// A clone has what was pushed, over real git and HTTP.
func TestPushThenClone(t *testing.T) {
	root, work := t.TempDir(), t.TempDir()
	if err := InitBare(t.Context(), root, "r.git"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Handler(root))
	defer server.Close()
	write(t, work, "file", "content", 0o644)
	// Git sends more than 1 MiB in chunks; random data, because it does not compress.
	noise := make([]byte, 2<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	write(t, work, "noise", string(noise), 0o644)
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message=one"},
		{"push", "--quiet", server.URL + "/r.git", "HEAD:main"},
		{"clone", "--quiet", server.URL + "/r.git", filepath.Join(work, "clone")},
	} {
		if _, err := git.Run(t.Context(), work, nil, args...); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(work, "clone", "file")); err != nil || string(data) != "content" {
		t.Errorf("cloned %q, %v", data, err)
	}
	if _, err := git.Run(t.Context(), work, nil, "ls-remote", server.URL+"/absent.git"); err == nil {
		t.Error("a repository that does not exist was served")
	}
}

// The same tree gives the same commit: Flux sees no change when the cluster restarts.
func TestPublishTreeIsDeterministic(t *testing.T) {
	tree := t.TempDir()
	write(t, tree, "script", "#!/bin/sh\n", 0o755)
	write(t, tree, ".gitignore", "ignored\n", 0o644)
	write(t, tree, "ignored", "served all the same\n", 0o444)
	var commits []string
	for range 2 {
		root := t.TempDir()
		if err := PublishTree(t.Context(), root, "r.git", tree, "v1.0.0"); err != nil {
			t.Fatal(err)
		}
		commit, err := git.Run(t.Context(), filepath.Join(root, "r.git"), nil, "rev-parse", "v1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		files, err := git.Run(t.Context(), filepath.Join(root, "r.git"), nil, "ls-tree", "--name-only", "main")
		if err != nil || files != ".gitignore\nignored\nscript" {
			t.Errorf("published %q, %v", files, err)
		}
		commits = append(commits, commit)
	}
	if commits[0] != commits[1] {
		t.Errorf("two commits of one tree: %v", commits)
	}
}
