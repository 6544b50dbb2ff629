// Package checkout pushes the user's repository to the local cluster's Git server. It
// runs git for everything and writes nothing into the checkout, which belongs to another
// user under sudo. Of the cluster it must know only one address.
package checkout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

// Push sets the branch main of the repository at url to HEAD or, with worktree, to a
// commit on top of HEAD with the working tree, uncommitted and untracked files included.
// The push is forced: the checkout wins.
func Push(ctx context.Context, root, url string, worktree bool) error {
	if _, err := git.Run(ctx, root, nil, "rev-parse", "--git-dir"); err != nil {
		return fmt.Errorf("%s is not a checkout that git can read: %w: clone the repository as the user who runs this", root, err)
	}
	revision, env := "HEAD", []string(nil)
	if worktree {
		dir, err := os.MkdirTemp("", "sales-events-objects-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if revision, env, err = commitWorkTree(ctx, root, dir); err != nil {
			return fmt.Errorf("make a commit of the working tree: %w", err)
		}
	}
	if _, err := git.Run(ctx, root, env, "rev-parse", "--verify", "--quiet", revision+"^{commit}"); err != nil {
		return fmt.Errorf("%s has no commit to push: commit first, or push the working tree with --worktree", root)
	}
	// No proxy: the address is on this machine's own bridge.
	env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0=")
	if _, err := git.Run(ctx, root, env, "push", "--quiet", "--force", url, revision+":refs/heads/main"); err != nil {
		return fmt.Errorf("push to the local Git server: %w", err)
	}
	return nil
}

// State returns the commit of HEAD at root, empty before the first commit, and whether
// the checkout has changes or untracked files.
func State(ctx context.Context, root string) (commit string, changed bool, err error) {
	// Without optional locks git does not rewrite the index, which would then belong to
	// root.
	env := []string{"GIT_OPTIONAL_LOCKS=0"}
	// It fails without a message if there is no commit.
	commit, _ = git.Run(ctx, root, env, "rev-parse", "--verify", "--quiet", "HEAD")
	status, err := git.Run(ctx, root, env, "status", "--porcelain")
	if err != nil {
		return "", false, fmt.Errorf("read the state of %s: %w", root, err)
	}
	return commit, status != "", nil
}

// commitWorkTree writes the commit to the folder dir, with an index and objects of its
// own. env makes git find it.
func commitWorkTree(ctx context.Context, root, dir string) (commit string, env []string, err error) {
	objects, err := git.Run(ctx, root, nil, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return "", nil, err
	}
	env = []string{
		"GIT_INDEX_FILE=" + filepath.Join(dir, "index"),
		"GIT_OBJECT_DIRECTORY=" + dir, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + objects,
		"GIT_AUTHOR_NAME=local", "GIT_AUTHOR_EMAIL=local@localhost",
		"GIT_COMMITTER_NAME=local", "GIT_COMMITTER_EMAIL=local@localhost",
	}
	if _, err := git.Run(ctx, root, env, "add", "--all"); err != nil {
		return "", nil, err
	}
	tree, err := git.Run(ctx, root, env, "write-tree")
	if err != nil {
		return "", nil, err
	}
	args := []string{"commit-tree", tree, "-m", "Working tree"}
	if head, err := git.Run(ctx, root, nil, "rev-parse", "--verify", "--quiet", "HEAD"); err == nil {
		args = append(args, "-p", head)
	}
	commit, err = git.Run(ctx, root, env, args...)
	return commit, env, err
}
