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

// use is the use of a folder by a file.
type use struct {
	file, folder string
	by           user
	// away means that a Kustomization applies it to another cluster.
	away bool
	// root means that the Kustomization has the name that Flux's own tools give to roots;
	// likely, that its namespace and folder would fit a root.
	root, likely bool
}

// user is the kind of object that uses a folder.
type user int

const (
	kustomization user = iota // kustomize's Kustomization, which includes it
	component                 // kustomize's Component, which uses only its own folder
	applier                   // Flux's Kustomization, which applies it
	instance                  // a FluxInstance, or its chart's values, whose root applies it
)

// usesIn lists the uses in all files. A file that cannot be read is ignored here: the
// build reports it.
func usesIn(dir string) []use {
	var uses []use
	_ = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // the build reports it
		}
		isKustomization := slices.Contains(konfig.RecognizedKustomizationFileNames(), entry.Name())
		if !isKustomization && !origin.IsManifest(file) {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil || limits.Check(data) != nil {
			return nil //nolint:nilerr // the build reports it
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

// manifest has the fields of an object that are needed. Instance is the top-level key in
// a file with values for the chart flux-instance, as `helm install` reads them.
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
			return uses // the end, or it is a template
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

// use returns the use of a folder by a Flux object.
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
