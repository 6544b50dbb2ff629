package kustomize

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Memory keeps builds beyond the artifact that they were made from: where another
// artifact has the same at every path that a build looked at, the build would be the
// same. Builds that fail are not kept, since their errors name files. The zero value is
// empty.
type Memory struct {
	mutex  sync.Mutex
	builds map[memoryKey][]*remembered // of each key, the last used first
}

// maxStates is how many states of a folder the memory keeps.
const maxStates = 4

// memoryKey is what a build depends on besides the files that it reads.
type memoryKey struct {
	folder    string            // relative to the artifact
	manifest  [sha256.Size]byte // the completed kustomization.yaml
	decrypted bool
}

// remembered is what a build made, and what was at the paths that it looked at.
type remembered struct {
	seen      map[string]content
	layers    []origin.Layer
	resources [][]byte
}

// recall completes a build with what an earlier one made of the same content.
func (m *Memory) recall(key memoryKey, b *Build) bool {
	if m == nil {
		return false
	}
	for _, known := range m.states(key) {
		if known.holdsFor(b.Source) {
			m.use(key, known)
			b.Resources, b.Layers = known.resources, slices.Clone(known.layers)
			for i, l := range b.Layers {
				b.Layers[i].Name = b.Source.File(l.File)
			}
			return true
		}
	}
	return false
}

// states are a copy, so that nobody waits for the files that another build compares.
func (m *Memory) states(key memoryKey) []*remembered {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.builds[key])
}

// use puts a state first, and drops the one that was used longest ago.
func (m *Memory) use(key memoryKey, known *remembered) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.builds == nil {
		m.builds = map[memoryKey][]*remembered{}
	}
	others := slices.DeleteFunc(m.builds[key], func(r *remembered) bool { return r == known })
	states := slices.Insert(others, 0, known)
	m.builds[key] = states[:min(len(states), maxStates)]
}

// keep remembers a build that nothing is wrong with.
func (m *Memory) keep(key memoryKey, b *Build, seen map[string]content) {
	if m == nil || b.Err != nil || len(b.Remote) > 0 || seen == nil {
		return
	}
	m.use(key, &remembered{seen, b.Layers, b.Resources})
}

func (r *remembered) holdsFor(source *artifact.Artifact) bool {
	for name, was := range r.seen {
		if contentOf(source, name) != was {
			return false
		}
	}
	return true
}

// content is what an artifact has at a path: the digest of a file, or one of these.
type content [sha256.Size]byte

var (
	absent content
	folder = content{1}
)

// contentOf needs no care for links: an artifact has none.
func contentOf(source *artifact.Artifact, name string) content {
	if !filepath.IsLocal(name) {
		return absent
	}
	name = filepath.Join(source.Dir, name)
	if info, err := os.Stat(name); err != nil {
		return absent
	} else if info.IsDir() {
		return folder
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return absent
	}
	return sha256.Sum256(data)
}

// recorder is a file system that notes at which paths of an artifact a build looks.
type recorder struct {
	filesys.FileSystem
	source *artifact.Artifact
	seen   map[string]content
	asked  map[string]bool
	// listed is whether the build depends on which files there are.
	listed bool
}

func newRecorder(files filesys.FileSystem, source *artifact.Artifact) *recorder {
	return &recorder{FileSystem: files, source: source, seen: map[string]content{}, asked: map[string]bool{}}
}

// looked is what the build saw, or nothing where that cannot be said.
func (r *recorder) looked() map[string]content {
	if r.listed {
		return nil
	}
	for name := range r.asked {
		if _, read := r.seen[name]; !read {
			r.seen[name] = contentOf(r.source, name)
		}
	}
	return r.seen
}

func (r *recorder) note(name string) { r.asked[r.relative(name)] = true }

func (r *recorder) relative(name string) string {
	relative, err := filepath.Rel(r.source.Dir, name)
	if err != nil {
		return name
	}
	return relative
}

// ReadFile notes what it reads.
func (r *recorder) ReadFile(name string) ([]byte, error) {
	data, err := r.FileSystem.ReadFile(name)
	if err != nil {
		r.note(name)
		return nil, err
	}
	r.seen[r.relative(name)] = sha256.Sum256(data)
	return data, nil
}

// Exists notes the path.
func (r *recorder) Exists(name string) bool {
	r.note(name)
	return r.FileSystem.Exists(name)
}

// IsDir notes the path.
func (r *recorder) IsDir(name string) bool {
	r.note(name)
	return r.FileSystem.IsDir(name)
}

// CleanedAbs notes the path.
func (r *recorder) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	r.note(name)
	return r.FileSystem.CleanedAbs(name)
}

// ReadDir lists files.
func (r *recorder) ReadDir(name string) ([]string, error) {
	r.listed = true
	return r.FileSystem.ReadDir(name)
}

// Glob lists files.
func (r *recorder) Glob(pattern string) ([]string, error) {
	r.listed = true
	return r.FileSystem.Glob(pattern)
}

// Walk lists files.
func (r *recorder) Walk(name string, visit filepath.WalkFunc) error {
	r.listed = true
	return r.FileSystem.Walk(name, visit)
}

// Open is a way to read that nobody uses.
func (r *recorder) Open(name string) (filesys.File, error) {
	r.listed = true
	return r.FileSystem.Open(name)
}
