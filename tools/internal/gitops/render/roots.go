package render

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// roots leaves out the folders that no root Kustomization applies by all
// appearances: a component, what another folder's kustomization includes, and
// what a Kustomization of another cluster, or for one, applies. why tells of the
// first.
func roots(dir string, folders []string) (kept []string, why string) {
	uses := usesIn(dir)
	for _, folder := range folders {
		i := slices.IndexFunc(uses, func(u use) bool { return u.claims(dir, folder, folders, uses) })
		switch {
		case i < 0:
			kept = append(kept, folder)
		case why == "":
			why = fmt.Sprintf(" (%s is part of what %s says)", folder, uses[i].file)
		}
	}
	return kept, why
}

// use is a file that makes a folder part of something else.
type use struct {
	file, folder string
	// kustomization is that of kustomize; else the file has a Kustomization of
	// Flux.
	kustomization, component bool
	// away is that it applies to another cluster.
	away bool
}

// claims reports whether a folder is no root because of this use.
func (u use) claims(dir, folder string, folders []string, uses []use) bool {
	if u.component {
		return path.Dir(u.file) == folder
	}
	if below(u.file, folder) || !below(u.folder, folder) {
		return false
	}
	// Bootstrapping writes into a cluster's own folder.
	_, err := os.Stat(filepath.Join(dir, folder, rootName))
	bootstrapped := err == nil || slices.ContainsFunc(uses, func(own use) bool {
		return !own.kustomization && own.folder == folder && below(own.file, folder)
	})
	if u.kustomization {
		return u.folder == folder || !bootstrapped
	}
	// Elsewhere it may declare the root.
	inCluster := slices.ContainsFunc(folders, func(other string) bool { return below(u.file, other) })
	return !bootstrapped && (u.away || inCluster)
}

func below(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// usesIn are those of all files. What cannot be read is left to the build.
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
			uses = append(uses, kustomizationUses(name, data)...)
		} else if bytes.Contains(data, []byte(kustomizationKind.Group)) {
			uses = append(uses, fluxUses(name, data)...)
		}
		return nil
	})
	return uses
}

func kustomizationUses(name string, data []byte) []use {
	var k types.Kustomization
	if k.Unmarshal(data) != nil {
		return nil
	}
	uses := []use{{file: name, kustomization: true, component: k.Kind == types.ComponentKind}}
	for _, entry := range slices.Concat(k.Resources, k.Bases, k.Components) { //nolint:staticcheck // repositories use bases
		if folder := path.Join(path.Dir(name), entry); !origin.IsManifest(entry) && filepath.IsLocal(folder) {
			uses = append(uses, use{file: name, folder: folder, kustomization: true})
		}
	}
	return uses
}

func fluxUses(name string, data []byte) []use {
	var uses []use
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var k struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string `yaml:"kind"`
			Spec       struct {
				Path       string `yaml:"path"`
				KubeConfig any    `yaml:"kubeConfig"`
			} `yaml:"spec"`
		}
		if decoder.Decode(&k) != nil {
			return uses
		}
		if k.Kind == kustomizationKind.Kind && strings.HasPrefix(k.APIVersion, kustomizationKind.Group+"/") && k.Spec.Path != "" {
			uses = append(uses, use{file: name, folder: strings.TrimPrefix(path.Join("/", k.Spec.Path), "/"), away: k.Spec.KubeConfig != nil})
		}
	}
}
