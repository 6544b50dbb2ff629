package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

const (
	archive  = "../schemas.zip"
	engines  = "../../../../engines"
	sizeGoal = 3 << 20
)

// The cheap part of the check that the archive is current: it was made from the versions
// that are pinned now.
func TestVersionsArePinned(t *testing.T) {
	data := read(t, archive)
	if len(data) > sizeGoal {
		t.Errorf("the archive has %d bytes, more than %d", len(data), sizeGoal)
	}
	opened, err := definition.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(opened.Sources) != len(upstreams) {
		t.Errorf("the archive has %d sources, expected %d: run go generate ./tools/internal/gitops/schema", len(opened.Sources), len(upstreams))
	}
	for _, source := range opened.Sources {
		pinned, err := pins.Read(filepath.Join(engines, source.Pins))
		if err != nil {
			t.Fatal(err)
		}
		version, err := pinned.VersionOf(source.Module)
		if err != nil {
			t.Fatal(err)
		}
		if version != source.Version {
			t.Errorf("the archive has %s, pinned is %s: run go generate ./tools/internal/gitops/schema", source, version)
		}
	}
}

// The other part makes the archive again. The go command may have to fetch modules for
// that, so only CI does it.
func TestArchiveIsCurrent(t *testing.T) {
	if os.Getenv("VERIFY_SCHEMAS") == "" {
		t.Skip("VERIFY_SCHEMAS is not set")
	}
	again := filepath.Join(t.TempDir(), "schemas.zip")
	if err := generate(t.Context(), engines, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, archive), read(t, again)) {
		t.Error("the archive is stale: run go generate ./tools/internal/gitops/schema")
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
