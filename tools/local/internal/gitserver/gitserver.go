// Package gitserver serves bare Git repositories over smart HTTP, for fetch and push, by
// passing requests to `git http-backend` (see its manual page). There is no
// authentication: everyone who reaches the address may push. In the local cluster that is
// every pod and every user of the machine, and Flux applies what they push as the
// cluster's administrator. The package must not know Flux or the repositories' contents.
package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
)

// Handler serves every repository below root: /NAME.git.
func Handler(root string) http.Handler {
	program, err := exec.LookPath("git")
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "git is not in PATH: install it", http.StatusInternalServerError)
		})
	}
	return sized(&cgi.Handler{
		Path: program,
		Args: []string{"http-backend"},
		Env: []string{
			"GIT_PROJECT_ROOT=" + root,
			"GIT_HTTP_EXPORT_ALL=1",
			// The folders belong to root, but in a container a bind mount may show
			// another owner.
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
		InheritEnv: []string{"PATH"},
	})
}

// sized adds a length to requests of unknown length. Git sends a push of more than 1 MiB
// in chunks, and CGI cannot pass chunks on.
func sized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength >= 0 {
			next.ServeHTTP(w, r)
			return
		}
		body, err := spool(r.Body)
		if err != nil {
			http.Error(w, "keep the push until it is complete: "+err.Error(), http.StatusInternalServerError)
			return
		}
		defer body.Close()
		info, err := body.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = body, info.Size(), nil
		next.ServeHTTP(w, r)
	})
}

// spool copies a reader into a file without a name, which the kernel deletes when this
// process ends.
func spool(from io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "push-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := io.Copy(file, from); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// InitBare creates an empty repository below root that accepts pushes to main.
func InitBare(ctx context.Context, root, name string) error {
	if _, err := git.Run(ctx, root, nil, "init", "--quiet", "--bare", "--initial-branch=main", name); err != nil {
		return fmt.Errorf("make the repository %s: %w", name, err)
	}
	return configure(ctx, root, name, [][2]string{
		{"http.receivepack", "true"},
		// A shallow clone, as CI makes one, can also be pushed.
		{"receive.shallowUpdate", "true"},
	})
}

func configure(ctx context.Context, root, name string, settings [][2]string) error {
	for _, setting := range settings {
		if _, err := git.Run(ctx, root, nil, "--git-dir", name, "config", setting[0], setting[1]); err != nil {
			return fmt.Errorf("make the repository %s: %w", name, err)
		}
	}
	return nil
}

// PublishTree creates a repository below root whose branch main and tag are one commit of
// the folder dir. The same tree always gives the same commit.
func PublishTree(ctx context.Context, root, name, dir, tag string) error {
	if err := InitBare(ctx, root, name); err != nil {
		return err
	}
	// Clients are on this machine, where sending bytes costs less than compressing them.
	// So all objects are in one pack, uncompressed and without deltas.
	uncompressed := [][2]string{{"core.bigFileThreshold", "1"}, {"core.compression", "0"}, {"pack.window", "0"}}
	if err := configure(ctx, root, name, uncompressed); err != nil {
		return err
	}
	repository := filepath.Join(root, name)
	index, err := os.MkdirTemp("", "gitserver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(index)
	env := []string{
		"GIT_DIR=" + repository, "GIT_WORK_TREE=" + dir, "GIT_INDEX_FILE=" + filepath.Join(index, "index"),
		"GIT_AUTHOR_NAME=gitserver", "GIT_AUTHOR_EMAIL=gitserver@localhost", "GIT_AUTHOR_DATE=1970-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=gitserver", "GIT_COMMITTER_EMAIL=gitserver@localhost", "GIT_COMMITTER_DATE=1970-01-01T00:00:00Z",
	}
	publish := func() error {
		// --force: the tree's own .gitignore must not exclude files.
		if _, err := git.Run(ctx, dir, env, "add", "--all", "--force", "."); err != nil {
			return err
		}
		tree, err := git.Run(ctx, dir, env, "write-tree")
		if err != nil {
			return err
		}
		commit, err := git.Run(ctx, dir, env, "commit-tree", tree, "-m", tag)
		if err != nil {
			return err
		}
		for _, ref := range []string{"refs/heads/main", "refs/tags/" + tag} {
			if _, err := git.Run(ctx, dir, env, "update-ref", ref, commit); err != nil {
				return err
			}
		}
		return nil
	}
	if err := publish(); err != nil {
		return fmt.Errorf("publish %s as %s: %w", dir, name, err)
	}
	return nil
}
