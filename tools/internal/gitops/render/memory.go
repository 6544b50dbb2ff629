package render

import (
	"crypto/sha256"
	"os"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// Memory keeps what a change of the repository does not touch, so that the next
// rendering need not make it again: the artifacts of Go modules, what kustomize makes
// of them and of folders whose files stay the same, and the objects in which variables
// were replaced. Renderings share one as long as they run one after the other. Their
// objects cannot be located after it is closed.
type Memory struct {
	modules source.Store
	built   kustomize.Cache
	folders kustomize.Memory
	// substituted are objects with their variables replaced, as JSON.
	substituted memo.Memo[substitutionKey, []byte]
}

// substitutionKey is what the replacement of an object's variables depends on.
type substitutionKey struct {
	object, values [sha256.Size]byte
	always         bool
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
	return &Memory{modules: source.Store{Dir: work}}
}

// Close removes the files behind it.
func (m *Memory) Close() error { return os.RemoveAll(m.modules.Dir) }
