package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is an uncompressed layer that holds one program. Its bytes are the tar
// header, the file as it is on disk, and the tar's end: nothing is copied, and
// its digest is its diff ID. The library's own layers always compress.
type layer struct {
	file        string
	header, end []byte
	size        int64
	digest      v1.Hash
}

func fileLayer(file, target string) (v1.Layer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: strings.TrimPrefix(target, "/"), Mode: 0o555, Size: info.Size(),
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}); err != nil {
		return nil, err
	}
	const block = 512
	l := &layer{file: file, header: header.Bytes(), end: make([]byte, (block-info.Size()%block)%block+2*block)}
	content, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	hash := sha256.New()
	if l.size, err = io.Copy(hash, content); err != nil {
		return nil, err
	}
	l.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hash.Sum(nil))}
	return l, nil
}

// Digest is the digest of the layer's bytes.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the uncompressed bytes, which these are.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size is the number of the layer's bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType says that the layer is not compressed.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed reads the layer as it is pushed.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed reads the file anew.
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
