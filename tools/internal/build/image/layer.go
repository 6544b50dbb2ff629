package image

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is an uncompressed layer with one program. It consists of the tar header, the
// file on the disk, and the end of the tar. Nothing is copied, and its digest is its diff
// ID. The library's own layers always compress.
type layer struct {
	file        string
	header, end []byte
	size        int64
	digest      v1.Hash
}

// Digests are the digests of programs' layers. The key is the path of the program's file,
// a space, and its path in the image.
type Digests map[string]Digest

// Digest is the digest of a layer, with the size and the modification time of the file
// when it was read.
type Digest struct {
	Layer    v1.Hash
	Size     int64
	Modified time.Time
}

func fileLayer(file, target string, digests Digests) (v1.Layer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(entry(target, 0o555, info.Size())); err != nil {
		return nil, err
	}
	const block = 512
	l := &layer{file: file, header: header.Bytes(), end: make([]byte, (block-info.Size()%block)%block+2*block)}
	key := file + " " + target
	if known := digests[key]; known.Size == info.Size() && known.Modified.Equal(info.ModTime()) {
		l.digest, l.size = known.Layer, int64(len(l.header))+info.Size()+int64(len(l.end))
		return l, nil
	}
	content, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if l.digest, l.size, err = v1.SHA256(content); err != nil {
		return nil, err
	}
	if digests != nil {
		digests[key] = Digest{Layer: l.digest, Size: info.Size(), Modified: info.ModTime()}
	}
	return l, nil
}

// Digest returns the digest of the layer's bytes.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID returns the digest of the uncompressed bytes, which is the same.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size returns the size of the layer in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType returns the type of an uncompressed layer.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed returns the layer as it is pushed: uncompressed.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed reads the file again.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(l.header), f, bytes.NewReader(l.end)), f}, nil
}

// entry returns a tar header that depends only on the path, the mode and the size of a
// file.
func entry(target string, mode, size int64) *tar.Header {
	return &tar.Header{
		Typeflag: tar.TypeReg, Name: strings.TrimPrefix(target, "/"), Mode: mode, Size: size,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
}

// readFiles reads the files of each folder by their paths in the image.
func readFiles(folders map[string]string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for target, folder := range folders {
		source := os.DirFS(folder)
		err := fs.WalkDir(source, ".", func(file string, found fs.DirEntry, err error) error {
			if err != nil || found.IsDir() {
				return err
			}
			files[path.Join(target, file)], err = fs.ReadFile(source, file)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// contentLayer returns an uncompressed layer of small files by their paths.
func contentLayer(files map[string][]byte) (v1.Layer, error) {
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writer.WriteHeader(entry(name, 0o444, int64(len(files[name])))); err != nil {
			return nil, err
		}
		if _, err := writer.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return static.NewLayer(content.Bytes(), types.OCIUncompressedLayer), nil
}
