package supervisor

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
)

// layers is the folder of the registry's blobs, one file for each, by its digest. A file
// that has this name is complete and on the disk, so Stat needs only its size. The
// library's own folder reads the whole blob for that: 900 MB at a start, and again at
// every pull.
type layers string

func (l layers) path(digest v1.Hash) string {
	return filepath.Join(string(l), digest.Algorithm, digest.Hex)
}

// Stat returns the size of a blob in bytes.
func (l layers) Stat(_ context.Context, _ string, digest v1.Hash) (int64, error) {
	info, err := os.Stat(l.path(digest))
	if err != nil {
		return 0, known(err)
	}
	return info.Size(), nil
}

// Get opens a blob.
func (l layers) Get(_ context.Context, _ string, digest v1.Hash) (io.ReadCloser, error) {
	file, err := os.Open(l.path(digest))
	if err != nil {
		return nil, known(err)
	}
	return file, nil
}

// Put stores a blob. Its reader fails at the end if the content does not have the digest.
func (l layers) Put(_ context.Context, _ string, digest v1.Hash, content io.ReadCloser) error {
	if err := os.MkdirAll(filepath.Dir(l.path(digest)), 0o755); err != nil {
		return err
	}
	file, err := renameio.NewPendingFile(l.path(digest))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return errors.Join(err, file.Cleanup())
	}
	return file.CloseAtomicallyReplace()
}

// known replaces fs.ErrNotExist with the registry's own error.
func known(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return registry.ErrNotFound
	}
	return err
}
