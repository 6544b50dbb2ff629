package render

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/artifact"
)

// Memory keeps what changes of the repository do not touch, so that the next
// rendering need not make it again: the artifacts of Go modules, and what
// kustomize makes of them. Renderings share one as long as they run one after
// the other. Their objects cannot be located after it is closed.
type Memory struct {
	work      string
	artifacts map[string]*artifact.Artifact
	built     built
}

// NewMemory is an empty one.
func NewMemory() (*Memory, error) {
	work, err := os.MkdirTemp("", "render-")
	if err != nil {
		return nil, err
	}
	return newMemory(work), nil
}

func newMemory(work string) *Memory {
	return &Memory{work: work, artifacts: map[string]*artifact.Artifact{}, built: newBuilt()}
}

// Close removes the files behind it.
func (m *Memory) Close() error { return os.RemoveAll(m.work) }

// artifact is that of some content, made in a folder unless it is known.
func (m *Memory) artifact(content string, make func(into string) (*artifact.Artifact, error)) (*artifact.Artifact, error) {
	if a := m.artifacts[content]; a != nil {
		return a, nil
	}
	a, err := make(filepath.Join(m.work, strconv.Itoa(len(m.artifacts))))
	if err == nil {
		m.artifacts[content] = a
	}
	return a, err
}

func (m *Memory) holds(a *artifact.Artifact) bool {
	return strings.HasPrefix(a.Dir, m.work+string(filepath.Separator))
}

// built is what kustomize has made so far, and where it says so in files.
type built struct {
	builds    map[buildKey]*build
	positions *positions
}

func newBuilt() built { return built{map[buildKey]*build{}, newPositions()} }
