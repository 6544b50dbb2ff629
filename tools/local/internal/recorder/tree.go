package recorder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

// patched is the patch of the local cluster's ScaledObject, to which a setting appends.
const patched = "apps/consumer/deploy/local/scaledobject-patch.yaml"

// Tree writes the HEAD of a checkout, with the manifests of a setting, into an empty
// folder, which it makes a Git repository. It writes nothing into the checkout.
func Tree(ctx context.Context, root, setting, dir string) error {
	patch, err := patchOf(setting)
	if err != nil {
		return err
	}
	index, err := os.CreateTemp("", "sales-events-index-")
	if err != nil {
		return err
	}
	// git rejects an empty file as a broken index.
	index.Close()
	os.Remove(index.Name())
	defer os.Remove(index.Name())
	env := []string{"GIT_INDEX_FILE=" + index.Name()}
	for _, args := range [][]string{{"read-tree", "HEAD"}, {"checkout-index", "--all", "--prefix=" + dir + "/"}} {
		if _, err := git.Run(ctx, root, env, args...); err != nil {
			return fmt.Errorf("write the manifests of HEAD: %w", err)
		}
	}
	if _, err := git.Run(ctx, dir, nil, "init", "--quiet"); err != nil {
		return err
	}
	return add(filepath.Join(dir, filepath.FromSlash(patched)), patch)
}

// add appends text to an existing file.
func add(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
