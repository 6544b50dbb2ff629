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

// Memory keeps builds for other artifacts. If another artifact has the same content at
// every path that a build looked at, the result is the same. Failed builds are not kept,
// because their errors name files. The zero value is empty.
type Memory struct {
	mutex  sync.Mutex
	builds map[memoryKey][]*remembered // by key, the last used first
}

// maxStates is the number of states that are kept for a folder.
const maxStates = 4

// memoryKey is what a build depends on, besides the files that it reads.
type memoryKey struct {
	folder    string            // relative to the artifact
	manifest  [sha256.Size]byte // the completed kustomization.yaml
	decrypted bool
}

// remembered is the result of a build, and the content of the paths that it looked at.
type remembered struct {
	seen      map[string]content
	layers    []origin.Layer
	resources [][]byte
}

// recall completes a build with the result of an earlier one with the same content.
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

// states returns a copy, so that the lock is not held while a build compares files.
func (m *Memory) states(key memoryKey) []*remembered {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.builds[key])
}

// use moves a state to the front, and drops the least recently used one.
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

// keep records a build without errors.
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

// content is what an artifact has at a path: the digest of a file, or one of the values
// below.
type content [sha256.Size]byte

var (
	absent content
	folder = content{1}
)

// contentOf returns an artifact's content at a path. It does not handle links, because an
// artifact has none.
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

// recorder is a file system that records the paths of an artifact that a build looks at.
type recorder struct {
	filesys.FileSystem
	source *artifact.Artifact
	seen   map[string]content
	asked  map[string]bool
	// listed reports whether the build depends on which files exist.
	listed bool
}

func newRecorder(files filesys.FileSystem, source *artifact.Artifact) *recorder {
	return &recorder{FileSystem: files, source: source, seen: map[string]content{}, asked: map[string]bool{}}
}

// looked returns the content that the build saw; nil if that is unknown.
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

// ReadFile records the path and reads the file.
func (r *recorder) ReadFile(name string) ([]byte, error) {
	data, err := r.FileSystem.ReadFile(name)
	if err != nil {
		r.note(name)
		return nil, err
	}
	r.seen[r.relative(name)] = sha256.Sum256(data)
	return data, nil
}

// Exists records the path.
func (r *recorder) Exists(name string) bool {
	r.note(name)
	return r.FileSystem.Exists(name)
}

// IsDir records the path.
func (r *recorder) IsDir(name string) bool {
	r.note(name)
	return r.FileSystem.IsDir(name)
}

// CleanedAbs records the path.
func (r *recorder) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	r.note(name)
	return r.FileSystem.CleanedAbs(name)
}

// ReadDir records that files are listed.
func (r *recorder) ReadDir(name string) ([]string, error) {
	r.listed = true
	return r.FileSystem.ReadDir(name)
}

// Glob records that files are listed.
func (r *recorder) Glob(pattern string) ([]string, error) {
	r.listed = true
	return r.FileSystem.Glob(pattern)
}

// Walk records that files are listed.
func (r *recorder) Walk(name string, visit filepath.WalkFunc) error {
	r.listed = true
	return r.FileSystem.Walk(name, visit)
}

// Open is not recorded, because kustomize does not use it.
func (r *recorder) Open(name string) (filesys.File, error) {
	r.listed = true
	return r.FileSystem.Open(name)
}
