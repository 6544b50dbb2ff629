package kustomize

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/diagnose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// layerReader reads the kustomization files of a build, from the outermost on. It finds,
// before kustomize does, content that kustomize would look for on the network, and
// cycles.
type layerReader struct {
	files overlay
	build *Build // receives the layers and the remote entries
	known map[string]*types.Kustomization
	lacks map[string]bool // files with remote resources
}

func readLayers(files overlay, b *Build, file string) error {
	r := layerReader{files: files, build: b, known: map[string]*types.Kustomization{}, lacks: map[string]bool{}}
	if err := r.read(file, origin.Layer{}, nil); err != nil || len(b.Remote) == 0 {
		return err
	}
	return r.dropOrphanPatches()
}

func (r *layerReader) read(file string, outer origin.Layer, from []string) error {
	if len(r.build.Layers) == limits.MaxLayers {
		return fmt.Errorf("the build has more than %d kustomization files, each counted as often as it is included", limits.MaxLayers)
	}
	relative := origin.Relative(r.build.Source, file)
	name := r.build.Source.File(relative)
	k, err := r.parse(file, name)
	if err != nil {
		return err
	}
	l := origin.Layer{Dir: path.Dir(relative), File: relative, Name: name, Kustomization: *k}
	l.InNamespace, l.Prefix, l.Suffix = cmp.Or(outer.InNamespace, l.Namespace), outer.Prefix+l.NamePrefix, l.NameSuffix+outer.Suffix
	l.Around, l.Scope = from, relative
	if l.Kind == types.ComponentKind && outer.Scope != "" {
		l.Scope = outer.Scope
	}
	r.build.Layers = append(r.build.Layers, l)
	if r.lacks[file] && l.Prefix+l.Suffix != "" {
		return errRemote // only the objects' definitions say which references get the prefix and suffix
	}
	for _, entry := range origin.Loaded(l.Kustomization) {
		if r.isRemote(file, entry) {
			r.foundRemote(file, entry)
			return errRemote
		}
	}
	for _, entry := range slices.Concat(l.Resources, l.Components) {
		if err := r.include(file, entry, l, append(slices.Clone(from), relative)); err != nil {
			return err
		}
	}
	return nil
}

func (r *layerReader) parse(file, name string) (*types.Kustomization, error) {
	if k := r.known[file]; k != nil {
		return k, nil
	}
	data, err := r.files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k := &types.Kustomization{}
	if err := k.Unmarshal(data); err != nil {
		return nil, diagnose.Misread(name, data, err)
	}
	k.FixKustomization()
	if err := diagnose.Enforce(r.build.Tree, k, origin.Relative(r.build.Source, file), name); err != nil {
		return nil, err
	}
	r.known[file] = k
	return k, r.leaveOut(file, k)
}

// include reads the kustomization file of a folder that a layer lists. A missing folder
// is an error here, because kustomize would try it as the address of a repository.
func (r *layerReader) include(file, entry string, l origin.Layer, from []string) error {
	refuse := func(fix, format string, args ...any) error {
		err := fmt.Errorf("%s includes %s, which "+format, append([]any{l.Name, entry}, args...)...)
		return &diagnose.Error{At: r.build.Entry(l, entry), Err: err, Fix: fix}
	}
	target := filepath.Join(filepath.Dir(file), entry)
	if !r.files.Exists(target) {
		return refuse(diagnose.Meant(r.build.Tree, l, entry, "add it, or remove the entry"),
			"is not in the source; .sourceignore or .gitignore may leave it out")
	}
	if !r.files.IsDir(target) {
		return nil
	}
	included := kustomizationFile(r.files, target)
	switch {
	case included == "":
		return refuse("add one, or list the folder's files", "is a folder without kustomization.yaml")
	case slices.Contains(from, origin.Relative(r.build.Source, included)):
		return refuse("remove one of the two entries", "includes %s in turn", l.Name)
	default:
		return r.read(included, l, from)
	}
}
