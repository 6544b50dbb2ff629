package render

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// Memory keeps what changes of the repository do not touch, so that the next
// rendering need not make it again: the artifacts of Go modules, and what
// kustomize makes of them. Renderings share one as long as they run one after
// the other. Their objects cannot be located after it is closed.
type Memory struct {
	work      string
	artifacts once[string, *artifact.Artifact]
	built     built
}

// NewMemory is an empty one.
func NewMemory() (*Memory, error) {
	work, err := workFolder()
	if err != nil {
		return nil, err
	}
	return newMemory(work), nil
}

// workFolder is a new temporary folder, by the name that kustomize has for it:
// without links.
func workFolder() (string, error) {
	work, err := os.MkdirTemp("", "render-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(work)
}

func newMemory(work string) *Memory {
	return &Memory{work: work}
}

// Close removes the files behind it.
func (m *Memory) Close() error { return os.RemoveAll(m.work) }

// artifact is that of some content, made in a folder unless it is known.
func (m *Memory) artifact(content string, make func(into string) (*artifact.Artifact, error)) (*artifact.Artifact, error) {
	return m.artifacts.get(content, func() (*artifact.Artifact, error) {
		into, err := freshFolder(m.work)
		if err != nil {
			return nil, err
		}
		return make(into)
	})
}

// freshFolder is a new folder for an artifact.
func freshFolder(work string) (string, error) {
	if err := os.MkdirAll(work, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for an artifact: %w", err)
	}
	return os.MkdirTemp(work, "artifact-")
}

func (m *Memory) holds(a *artifact.Artifact) bool {
	return strings.HasPrefix(a.Dir, m.work+string(filepath.Separator))
}

// built is what kustomize has made so far, and where it says so in files.
type built struct {
	builds    once[buildKey, *build]
	trunks    once[trunk, [][]byte]
	positions positions
}
