// Package checkout pushes the user's repository to the local cluster's Git
// server. It asks git for everything and changes nothing in the checkout; of
// the cluster it knows one address.
package checkout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

// Push makes the branch main of the repository at url equal to HEAD or, with
// worktree, to a commit on top of HEAD that holds the working tree with its
// uncommitted and untracked files. The push is forced: what is on the machine
// wins.
func Push(ctx context.Context, root, url string, worktree bool) error {
	if _, err := git.Run(ctx, root, nil, "rev-parse", "--git-dir"); err != nil {
		return fmt.Errorf("%s is no checkout that git can read: %w: clone the repository, as who runs this", root, err)
	}
	revision := "HEAD"
	if worktree {
		commit, err := commitWorkTree(ctx, root)
		if err != nil {
			return fmt.Errorf("make a commit of the working tree: %w", err)
		}
		revision = commit
	}
	if _, err := git.Run(ctx, root, nil, "rev-parse", "--verify", "--quiet", revision+"^{commit}"); err != nil {
		return fmt.Errorf("%s has no commit to push: commit first, or push the working tree with --worktree", root)
	}
	// An empty proxy setting: the address is on this machine's own bridge.
	noProxy := []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0="}
	if _, err := git.Run(ctx, root, noProxy, "push", "--quiet", "--force", url, revision+":refs/heads/main"); err != nil {
		return fmt.Errorf("push to the local Git server: %w", err)
	}
	return nil
}

// commitWorkTree writes the commit through an index of its own, so that the
// user's index and branch stay as they are.
func commitWorkTree(ctx context.Context, root string) (string, error) {
	dir, err := os.MkdirTemp("", "sales-events-index-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	env := []string{
		"GIT_INDEX_FILE=" + filepath.Join(dir, "index"),
		"GIT_AUTHOR_NAME=local", "GIT_AUTHOR_EMAIL=local@localhost",
		"GIT_COMMITTER_NAME=local", "GIT_COMMITTER_EMAIL=local@localhost",
	}
	if _, err := git.Run(ctx, root, env, "add", "--all"); err != nil {
		return "", err
	}
	tree, err := git.Run(ctx, root, env, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", tree, "-m", "Working tree"}
	if head, err := git.Run(ctx, root, nil, "rev-parse", "--verify", "--quiet", "HEAD"); err == nil {
		args = append(args, "-p", head)
	}
	return git.Run(ctx, root, env, args...)
}
