package kustomize

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// minCacheSize is in bytes of CustomResourceDefinitions: caching fewer costs more than
// building them again.
const minCacheSize = 64 << 10

// crdKey is what builds of a folder have in common if only patches and images differ.
type crdKey struct {
	artifact, folder string
	manifest         [sha256.Size]byte
}

// make builds the folder of a completed kustomization file. Clusters that install the
// same operator differ in a patch or an image, and most of the time goes into definitions
// that are the same in all of them. So it reuses the definitions of an earlier build, if
// this one cannot change them.
func (c *Cache) make(b *Build, completed overlay, file string, decrypted bool) ([][]byte, error) {
	if err := readLayers(completed, b, file); err != nil {
		return nil, err
	}
	if decrypted {
		return b.run(placeholders{completed, b.encryptedSources()}, file)
	}
	common, others, apart := b.withoutDefinitions(completed)
	if !apart {
		return b.run(completed, file)
	}
	first := false
	all, err := c.crds.Get(common, func() ([][]byte, error) {
		first = true
		return b.run(completed, file)
	})
	if first {
		return all, err
	}
	if err == nil {
		if rest, err := b.run(others, file); err == nil {
			if joined, ok := mergeCRDs(all, rest); ok {
				return joined, nil
			}
		}
	}
	return b.run(completed, file)
}

// run returns kustomize's result for a folder.
func (b *Build) run(files filesys.FileSystem, file string) ([][]byte, error) {
	built, err := Run(files, filepath.Dir(file), b.setsOpenAPI())
	if err != nil {
		return nil, err
	}
	resources, err := Contents(built)
	if len(b.Remote) > 0 && slices.ContainsFunc(b.Layers, func(l origin.Layer) bool { return l.InNamespace != "" }) {
		resources = slices.DeleteFunc(resources, takesNamespaces)
	}
	return resources, err
}

// withoutDefinitions returns the build without the files that contain only definitions,
// and the key of builds that produce the same definitions: kustomize sets no image in a
// definition. It returns false if another object might depend on a definition.
func (b *Build) withoutDefinitions(completed overlay) (crdKey, overlay, bool) {
	others, size := overlay{completed, map[string][]byte{}}, 0
	for _, l := range b.Layers {
		if b.relates(l) {
			return crdKey{}, overlay{}, false
		}
		for _, entry := range l.Resources {
			file := b.pathOf(l, entry)
			data, err := completed.ReadFile(file)
			switch {
			case err != nil || !bytes.Contains(data, []byte(definitionKind)): // it is a folder, or has none
			case !onlyDefinitions(data):
				return crdKey{}, overlay{}, false
			default:
				others.replaced[file] = []byte{}
				size += len(data)
			}
		}
	}
	if size < minCacheSize || b.usesOtherwise(others.replaced) {
		return crdKey{}, overlay{}, false
	}
	outermost := b.Layers[0].Kustomization
	outermost.Images, outermost.Patches = nil, nil
	for _, p := range b.Layers[0].Patches {
		if !sparesDefinitions(p) {
			outermost.Patches = append(outermost.Patches, p)
		}
	}
	data, err := json.Marshal(outermost)
	return crdKey{b.Source.Dir, b.Folder, sha256.Sum256(data)}, others, err == nil
}

func (b *Build) pathOf(l origin.Layer, entry string) string {
	return filepath.Join(b.Source.Dir, filepath.FromSlash(l.Dir), entry)
}

// usesOtherwise reports whether a layer uses one of the files other than as a resource.
func (b *Build) usesOtherwise(files map[string][]byte) bool {
	return slices.ContainsFunc(b.Layers, func(l origin.Layer) bool {
		return slices.ContainsFunc(append(origin.ContentFiles(l.Kustomization), origin.PatchFiles(l.Kustomization)...), func(entry string) bool {
			return files[b.pathOf(l, entry)] != nil
		})
	})
}

// relates reports whether a layer may change one object depending on another, or on other
// output.
func (b *Build) relates(l origin.Layer) bool {
	vars := len(l.Vars) //nolint:staticcheck // some repositories use them
	return vars+len(l.Replacements)+len(l.Crds)+len(l.Configurations)+len(l.Validators)+len(l.OpenAPI)+len(l.BuildMetadata) > 0 ||
		b.MakesObjects(l)
}

const definitionKind = "CustomResourceDefinition"

// onlyDefinitions reports whether every document of a file is a definition, in the form
// that generators write.
func onlyDefinitions(data []byte) bool {
	found := false
	for document := range bytes.SplitSeq(append([]byte("\n"), data...), []byte("\n---")) {
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		for _, line := range []string{"apiVersion: apiextensions.k8s.io/v1", "kind: " + definitionKind} {
			key, _, _ := strings.Cut(line, ":")
			if bytes.Count(document, []byte("\n"+key+":")) != 1 || !bytes.Contains(document, []byte("\n"+line+"\n")) {
				return false
			}
		}
		found = true
	}
	return found
}

var plainKind = regexp.MustCompile(`^[A-Za-z]+$`)

// sparesDefinitions reports whether a patch targets objects of another kind, and does not
// turn them into definitions.
func sparesDefinitions(p types.Patch) bool {
	return p.Target != nil && plainKind.MatchString(p.Target.Kind) && p.Target.Kind != definitionKind &&
		p.Path == "" && !strings.Contains(p.Patch, definitionKind) && p.Options == nil
}

// mergeCRDs replaces the other objects of one build with another build's. It fails unless
// they are the same objects in the same order.
func mergeCRDs(all, others [][]byte) ([][]byte, bool) {
	joined := make([][]byte, 0, len(all))
	for _, data := range all {
		switch {
		case isDefinition(data):
			joined = append(joined, data)
		case len(others) == 0 || idOf(data) != idOf(others[0]):
			return nil, false
		default:
			joined, others = append(joined, others[0]), others[1:]
		}
	}
	return joined, len(others) == 0
}

// isDefinition recognizes a definition by the beginning of its JSON, where keys are
// sorted.
func isDefinition(data []byte) bool {
	return bytes.HasPrefix(data, []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"`+definitionKind+`",`))
}

// id identifies the object of a resource.
type id struct {
	APIVersion, Kind string
	Metadata         struct{ Namespace, Name string }
}

func idOf(data []byte) (of id) {
	_ = json.Unmarshal(data, &of) // a resource without these fields equals no other
	return of
}

func (b *Build) setsOpenAPI() bool {
	return slices.ContainsFunc(b.Layers, func(l origin.Layer) bool { return len(l.OpenAPI) > 0 })
}
