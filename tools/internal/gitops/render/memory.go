package render

import (
	"crypto/sha256"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// Memory keeps results that a change of the repository does not affect, for the next
// rendering: the artifacts of Go modules, what kustomize builds from them and from
// unchanged folders, and objects with their variables substituted. Renderings may share
// one, but only one after the other. After it is closed their objects cannot be located.
type Memory struct {
	modules source.Store
	built   kustomize.Cache
	folders kustomize.Memory
	// substituted are objects with their variables substituted, as JSON.
	substituted memo.Memo[substitutionKey, []byte]
}

// substitutionKey is everything that the substitution in an object depends on.
type substitutionKey struct {
	object, values [sha256.Size]byte
	always         bool
}

// NewMemory returns an empty Memory.
func NewMemory() (*Memory, error) {
	work, err := workFolder()
	if err != nil {
		return nil, err
	}
	return newMemory(work), nil
}

// workFolder returns a new temporary folder, with links in its path resolved, as
// kustomize does.
func workFolder() (string, error) {
	work, err := os.MkdirTemp("", "render-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(work)
}

func newMemory(work string) *Memory {
	return &Memory{modules: source.Store{Dir: work}}
}

// Close removes its files.
func (m *Memory) Close() error { return os.RemoveAll(m.modules.Dir) }
