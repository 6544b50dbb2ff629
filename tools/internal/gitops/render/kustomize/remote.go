package kustomize

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Remote is an entry of a kustomization whose content only the network has.
type Remote struct {
	At    origin.Location
	Entry string
}

func (r Remote) String() string {
	return fmt.Sprintf("%s includes %s, which only the network has: vendor it, or make it a Flux source", r.At, r.Entry)
}

// errRemote is the error of a build that is impossible without network content.
var errRemote = errors.New("it needs the network")

func (r *layerReader) isRemote(file, entry string) bool {
	if !origin.Address.MatchString(entry) {
		return false
	}
	local := filepath.Join(filepath.Dir(file), entry)
	return !r.files.Exists(local) || r.files.IsDir(local)
}

// leaveOut removes the resources that only the network has from a kustomization. The
// other objects stay the same, except for names that refer to the missing ones. That
// would not hold for a missing patch, Component or ConfigMap content.
func (r *layerReader) leaveOut(file string, k *types.Kustomization) error {
	all := k.Resources
	k.Resources = nil
	for _, entry := range all {
		if r.isRemote(file, entry) {
			r.foundRemote(file, entry)
			r.lacks[file] = true
		} else {
			k.Resources = append(k.Resources, entry)
		}
	}
	if !r.lacks[file] {
		return nil
	}
	return r.rewrite(file, k)
}

// rewrite makes kustomize read the changed kustomization.
func (r *layerReader) rewrite(file string, k *types.Kustomization) error {
	if k.GeneratorOptions == nil {
		// kustomize rejects an empty file.
		k.GeneratorOptions = &types.GeneratorOptions{}
	}
	data, err := json.Marshal(k) // JSON is YAML, too
	r.files.replaced[file] = data
	return err
}

// dropOrphanPatches removes patches that name their own target, replica counts, and
// generators that add to another object, if they are for resources that only the network
// has: kustomize fails if the target is missing.
func (r *layerReader) dropOrphanPatches() error {
	for from, k := range r.known {
		left, here := *k, r.build.namesFor(origin.Relative(r.build.Source, from))
		isForOthers := func(entry, text string) bool { return r.isForOthers(here, from, entry, text) }
		left.Patches = without(k.Patches, func(p types.Patch) bool { return p.Target == nil && isForOthers(p.Path, p.Patch) })
		merges := k.PatchesStrategicMerge //nolint:staticcheck // some repositories use it
		others := without(merges, func(p types.PatchStrategicMerge) bool { return isForOthers(string(p), string(p)) })
		left.PatchesStrategicMerge = others //nolint:staticcheck // as above
		left.Replicas = without(k.Replicas, func(replica types.Replica) bool {
			return !slices.Contains(slices.Concat(slices.Collect(maps.Values(here))...), replica.Name)
		})
		left.ConfigMapGenerator = without(k.ConfigMapGenerator, func(g types.ConfigMapArgs) bool {
			return origin.Adds(g.GeneratorArgs) && !slices.Contains(here["ConfigMap"], g.Name)
		})
		left.SecretGenerator = without(k.SecretGenerator, func(g types.SecretArgs) bool {
			return origin.Adds(g.GeneratorArgs) && !slices.Contains(here["Secret"], g.Name)
		})
		if reflect.DeepEqual(left, *k) {
			continue
		}
		if err := r.rewrite(from, &left); err != nil {
			return err
		}
	}
	return nil
}

// without returns a copy of all without what out selects; nil stays nil.
func without[T any](all []T, out func(T) bool) []T { return slices.DeleteFunc(slices.Clone(all), out) }

// isForOthers reports whether a patch, a file beside the kustomization or a text, names
// only objects that are not here.
func (r *layerReader) isForOthers(here map[string][]string, from, entry, text string) bool {
	data := []byte(text)
	if entry != "" && !strings.ContainsAny(entry, "\n{") {
		var err error
		if data, err = r.files.ReadFile(filepath.Join(filepath.Dir(from), entry)); err != nil {
			return false
		}
	}
	documents := origin.ParseDocuments(&origin.File{Data: data}, data, 0)
	return len(documents) > 0 && !slices.ContainsFunc(documents, func(d *origin.Document) bool {
		name := d.Text("metadata", "name")
		return name == "" || slices.Contains(here[d.Text("kind")], name)
	})
}

// namesFor returns the names of the objects that a kustomization file transforms, by
// kind.
func (b *Build) namesFor(file string) map[string][]string {
	return b.Names(func(by origin.Layer) bool {
		return slices.ContainsFunc(b.Layers, func(l origin.Layer) bool { return l.File == file && l.Transforms(by) })
	})
}

func (r *layerReader) foundRemote(file, entry string) {
	relative := origin.Relative(r.build.Source, file)
	at := cmp.Or(r.build.Entry(origin.Layer{File: relative}, entry), origin.Location{File: r.build.Source.File(relative)})
	r.build.Remote = append(r.build.Remote, Remote{at, entry})
}

// takesNamespaces reports whether kustomize writes the namespaces of other objects into a
// resource. Those of objects that only the network has are unknown.
func takesNamespaces(data []byte) bool {
	return slices.Contains([]string{
		"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService", "ClusterRoleBinding", "RoleBinding",
	}, idOf(data).Kind)
}
