package supervisor

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// serveLayers serves the folder in a new registry, and returns its URL.
func serveLayers(t *testing.T, dir string) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithBlobHandler(layers(dir)), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return server.URL
}

func repository(t *testing.T, url string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(strings.TrimPrefix(url, "http://")+"/r", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A pushed layer is there for the folder's next registry.
func TestLayersStay(t *testing.T) {
	dir := t.TempDir()
	pushed := static.NewLayer([]byte("content"), types.OCIUncompressedLayer)
	if err := remote.WriteLayer(repository(t, serveLayers(t, dir)), pushed); err != nil {
		t.Fatal(err)
	}
	digest, err := pushed.Digest()
	if err != nil {
		t.Fatal(err)
	}
	next := repository(t, serveLayers(t, dir))
	layer, err := remote.Layer(next.Digest(digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if data, err := io.ReadAll(content); err != nil || string(data) != "content" {
		t.Errorf("pulled %q, %v", data, err)
	}
	absent := next.Digest("sha256:" + strings.Repeat("0", 64))
	if layer, err := remote.Layer(absent); err != nil {
		t.Error(err)
	} else if size, err := layer.Size(); err == nil {
		t.Errorf("a layer that nobody pushed has %d bytes", size)
	}
}

// A push whose content does not have its digest leaves nothing.
func TestLayersAreWhole(t *testing.T) {
	dir := t.TempDir()
	digest, _, err := v1.SHA256(strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	uploads := serveLayers(t, dir) + "/v2/r/blobs/uploads/?digest="
	response, err := http.Post(uploads+digest.String(), "", strings.NewReader("conten"))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("the registry answered %s, %v", response.Status, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
}
