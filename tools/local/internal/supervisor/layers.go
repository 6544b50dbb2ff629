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

// layers is the folder of the registry's blobs, each a file by its digest. What
// has its name there is whole and on the disk, so its size is answer enough to
// whether it is there. The library's folder reads a blob to its end for that: 900
// MB at a start, and again at every pull.
type layers string

func (l layers) path(digest v1.Hash) string {
	return filepath.Join(string(l), digest.Algorithm, digest.Hex)
}

// Stat is the number of a blob's bytes.
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

// Put keeps a blob, whose reader fails at its end when it is not what the digest
// says.
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

// known replaces fs.ErrNotExist by the registry's own error.
func known(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return registry.ErrNotFound
	}
	return err
}
