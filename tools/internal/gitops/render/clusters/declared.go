package clusters

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// use is a file that makes something of a folder.
type use struct {
	file, folder string
	by           user
	// away: a Kustomization applies it to another cluster.
	away bool
	// root: a Kustomization has the name that Flux's own tools give to roots. likely:
	// it could be a root by its namespace and folder.
	root, likely bool
}

// user is what uses a folder.
type user int

const (
	kustomization user = iota // of kustomize, which includes it
	component                 // of kustomize, which has no folder but its own
	applier                   // a Kustomization of Flux, which applies it
	instance                  // a FluxInstance, or its values, whose root applies it
)

// usesIn lists the uses in all files. A file that cannot be read is left to the build.
func usesIn(dir string) []use {
	var uses []use
	_ = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // left to the build
		}
		isKustomization := slices.Contains(konfig.RecognizedKustomizationFileNames(), entry.Name())
		if !isKustomization && !origin.IsManifest(file) {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil || limits.Check(data) != nil {
			return nil //nolint:nilerr // likewise
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator)))
		if isKustomization {
			uses = append(uses, usesOfKustomize(name, data)...)
		} else if bytes.Contains(data, []byte(kustomizev1.GroupVersion.Group)) || bytes.Contains(data, []byte("sync:")) {
			uses = append(uses, usesOfFlux(name, data)...)
		}
		return nil
	})
	return uses
}

func usesOfKustomize(name string, data []byte) []use {
	var k types.Kustomization
	if k.Unmarshal(data) != nil {
		return nil
	}
	var uses []use
	if k.Kind == types.ComponentKind {
		uses = append(uses, use{file: name, folder: path.Dir(name), by: component})
	}
	for _, entry := range slices.Concat(k.Resources, k.Bases, k.Components) { //nolint:staticcheck // repositories use bases
		if folder := path.Join(path.Dir(name), entry); !origin.IsManifest(entry) && filepath.IsLocal(folder) {
			uses = append(uses, use{file: name, folder: folder, by: kustomization})
		}
	}
	return uses
}

// manifest holds the fields of an object that are read. Instance is the root of a file
// with values of the chart flux-instance, as `helm install` takes them.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Path       string `yaml:"path"`
		KubeConfig any    `yaml:"kubeConfig"`
		Sync       sync   `yaml:"sync"`
		Values     struct {
			Instance synced `yaml:"instance"`
		} `yaml:"values"`
	} `yaml:"spec"`
	Instance synced `yaml:"instance"`
}

type synced struct {
	Sync sync `yaml:"sync"`
}

type sync struct {
	Path string `yaml:"path"`
}

func usesOfFlux(name string, data []byte) []use {
	var uses []use
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return uses // at the end, or it is a template
		}
		var m manifest
		if err := document.Decode(&m); err != nil && !errors.As(err, new(*yaml.TypeError)) {
			continue
		}
		if u, found := m.use(); found {
			u.file = name
			uses = append(uses, u)
		}
	}
}

// use is what an object of Flux makes of a folder.
func (m manifest) use() (u use, found bool) {
	group, _, _ := strings.Cut(m.APIVersion, "/")
	folder := ""
	switch {
	case group == kustomizev1.GroupVersion.Group && m.Kind == kustomizev1.KustomizationKind:
		folder, u.by, u.away = m.Spec.Path, applier, m.Spec.KubeConfig != nil
		first, _, _ := strings.Cut(path.Clean(folder), "/")
		u.root, u.likely = m.Metadata.Name == rootName, m.Metadata.Namespace == rootName && slices.Contains(usual, first)
	case m.Kind == "FluxInstance":
		folder, u.by = m.Spec.Sync.Path, instance
	case m.Kind == "HelmRelease":
		folder, u.by = m.Spec.Values.Instance.Sync.Path, instance
	case m.Kind == "":
		folder, u.by = m.Instance.Sync.Path, instance
	}
	u.folder = path.Clean(strings.TrimPrefix(path.Join("/", folder), "/"))
	return u, folder != ""
}
