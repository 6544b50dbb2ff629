// Package kustomize builds the folder of a Kustomization as kustomize-controller does.
// Flux's generator completes the kustomization.yaml. kustomize builds it with the
// controller's options, but without its reset of the OpenAPI schema, which costs more
// than the build. Content that only the network has is left out and listed. Input that
// would harm kustomize is rejected first.
//
// The package must not know clusters, variables, or the order in which Flux applies.
package kustomize

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"path/filepath"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	securefs "github.com/fluxcd/pkg/kustomize/filesys"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/memo"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Cache has finished builds and the lines of files. The same content, such as a
// controller in several clusters, is built only once. The zero value is empty.
type Cache struct {
	// Files reads the files of builds.
	Files origin.Files
	// Memory has the builds of other artifacts; nil for none.
	Memory *Memory
	builds memo.Memo[buildKey, *Build]
	crds   memo.Memo[crdKey, [][]byte]
}

// buildKey is everything that a build depends on.
type buildKey struct {
	artifact, folder string
	manifest         [sha256.Size]byte // the completed kustomization.yaml
	decrypted        bool
}

// Build is the result of building a folder.
type Build struct {
	*origin.Tree
	// Resources are the built objects as JSON, the form that Flux uses.
	Resources [][]byte
	// Remote lists what only the network has, and the build lacks.
	Remote []Remote
	// Err is an error in the content.
	Err error
}

// ErrEmpty is the error of a folder without manifests.
var ErrEmpty = errors.New("no manifest")

// Warm parses kustomize's OpenAPI schema in advance, which takes a while.
func Warm() { _ = openapi.Schema() }

// Build builds a folder for a Kustomization. An error in the content is in Build.Err.
func (c *Cache) Build(source *artifact.Artifact, dir string, k *kustomizev1.Kustomization) (*Build, error) {
	files, err := securefs.MakeFsOnDiskSecure(source.Dir)
	if err != nil {
		return nil, err
	}
	disk := guarded{files, func(name string) string { return source.File(origin.Relative(source, name)) }}
	result := &Build{Tree: &origin.Tree{Source: source, Folder: origin.Relative(source, dir), Files: &c.Files}}
	if declared := kustomizationFile(disk, dir); declared != "" {
		result.File = origin.Relative(source, declared)
	}
	manifest, file, err := generate(disk, source.Dir, dir, k)
	if err != nil {
		result.Err = err
		return result, nil
	}
	key := buildKey{source.Dir, dir, sha256.Sum256(manifest), k.Spec.Decryption != nil}
	return c.builds.Get(key, func() (*Build, error) {
		known := memoryKey{result.Folder, key.manifest, key.decrypted}
		if c.Memory.recall(known, result) {
			return result, nil
		}
		looks := newRecorder(disk, source)
		result.Resources, result.Err = c.make(result, overlay{looks, map[string][]byte{file: manifest}}, file, key.decrypted)
		if result.Err == nil && len(result.Resources) == 0 && !disk.Exists(file) {
			result.Err = ErrEmpty
		}
		c.Memory.keep(known, result, looks.looked())
		return result, nil
	})
}

// generate adds the Kustomization's own fields to the folder's kustomization.yaml, or
// makes one if there is none.
func generate(disk filesys.FileSystem, root, dir string, k *kustomizev1.Kustomization) (manifest []byte, file string, err error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(k)
	if err != nil {
		return nil, "", err
	}
	if err := generatorInput(disk, dir); err != nil {
		return nil, "", err
	}
	defer limits.Recover(&err)
	manifest, file, _, err = fluxkustomize.NewGenerator(root, unstructured.Unstructured{Object: content}).GenerateManifest(dir)
	return manifest, file, err
}

// generatorInput reads the generator's input first, so that it is checked, because the
// generator has a file system of its own: the kustomization file or, without one, every
// manifest below the folder.
func generatorInput(disk filesys.FileSystem, dir string) error {
	if file := kustomizationFile(disk, dir); file != "" {
		_, err := disk.ReadFile(file)
		return err
	}
	return disk.Walk(dir, func(name string, info fs.FileInfo, err error) error {
		if err != nil || info.IsDir() || !origin.IsManifest(name) {
			return err
		}
		_, err = disk.ReadFile(name)
		return err
	})
}

// kustomizationFile returns the kustomization file of a folder, or empty.
func kustomizationFile(files filesys.FileSystem, dir string) string {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if file := filepath.Join(dir, name); files.Exists(file) {
			return file
		}
	}
	return ""
}
