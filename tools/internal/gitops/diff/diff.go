// Package diff says what differs between two renderings of a repository,
// object by object and field by field: what a push would do to each cluster.
//
// What costs most when it is a surprise comes first: objects that Flux would
// delete, then objects that another Kustomization takes over. What cannot be
// rendered on one side is not compared, and said so: Flux leaves alone what it
// cannot build, and what only the network has may be there.
//
// The package reads renderings and prints. Whether a difference is dangerous is
// up to the rules of validate.
package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Cluster is what differs in one cluster. Each list is in the order in which
// Flux applies the objects, or applied them.
type Cluster struct {
	// Path is the folder of the cluster's root Kustomization.
	Path string `json:"cluster"`
	// Deleted objects are no longer declared. Left are those of them that stay
	// in the cluster, because nothing prunes them.
	Deleted []Object `json:"deleted,omitempty"`
	Left    []Object `json:"leftBehind,omitempty"`
	// Owned objects are applied by another Kustomization than before. Their
	// other changes are among Changed.
	Owned []Object `json:"newlyOwned,omitempty"`
	// Created objects are in no rendering before.
	Created []Object `json:"created,omitempty"`
	Changed []Object `json:"changed,omitempty"`
	// Unknown are Kustomizations that cannot be compared.
	Unknown []Object `json:"unknown,omitempty"`
}

// Same tells whether nothing differs.
func (c Cluster) Same() bool {
	return len(c.Deleted)+len(c.Left)+len(c.Owned)+len(c.Created)+len(c.Changed)+len(c.Unknown) == 0
}

// Object is an object with what differs about it.
type Object struct {
	Key render.Key `json:"-"`
	// Name is the key as text.
	Name string `json:"object"`
	// Owner is the Kustomization that applies it; Before the one that did, if
	// another.
	Owner  string `json:"kustomization"`
	Before string `json:"before,omitempty"`
	// At is where the object is declared; for a deleted one, where it was.
	At Place `json:"at"`
	// Note says what else happens or does not.
	Note string `json:"note,omitempty"`
	// Changes are the fields of a changed object.
	Changes []Change `json:"changes,omitempty"`
}

// Place is a location as the renderings know it.
type Place render.Location

// String is the place as people write it: file:line.
func (p Place) String() string { return render.Location(p).String() }

// MarshalJSON writes a place as people do: file:line.
func (p Place) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// Compare compares two renderings cluster by cluster, in the order of their
// paths. It locates objects, so both renderings must still be open.
func Compare(before, after *render.Rendering) []Cluster {
	old, current := byPath(before), byPath(after)
	paths := slices.Collect(maps.Keys(current))
	for path := range old {
		if current[path] == nil {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	var clusters []Cluster
	for _, path := range paths {
		clusters = append(clusters, compareCluster(path, newSide(old[path]), newSide(current[path])))
	}
	return clusters
}

func byPath(rendering *render.Rendering) map[string]*render.Cluster {
	clusters := map[string]*render.Cluster{}
	for _, cluster := range rendering.Clusters {
		clusters[cluster.Path] = cluster
	}
	return clusters
}

// side is one of the two renderings of a cluster, which may lack it.
type side struct {
	objects []*render.Object
	index   map[model.Place]*render.Object
	applied map[render.Key]*render.Kustomization
	broken  map[render.Key]bool // Kustomizations that could not be rendered in full
	// entries are the addresses, of Kustomizations, of what only the network has.
	entries map[render.Key][]string
}

// get is this side's version of an object of the other one, or nil.
func (s side) get(o *render.Object) *render.Object { return s.index[model.PlaceOf(o)] }

func newSide(cluster *render.Cluster) side {
	s := side{
		index: map[model.Place]*render.Object{}, applied: map[render.Key]*render.Kustomization{},
		broken: map[render.Key]bool{}, entries: map[render.Key][]string{},
	}
	if cluster == nil {
		return s
	}
	for _, k := range slices.Concat(cluster.Kustomizations, cluster.Releases) {
		s.applied[k.Key()] = k
	}
	s.add(cluster)
	for _, failure := range cluster.Failures {
		if failure.Kustomization != nil {
			s.broken[failure.Kustomization.Key()] = true
		}
	}
	for _, unknown := range cluster.Unknowns {
		if !unknown.Values && !unknown.Composed {
			s.broken[unknown.Key] = true
		}
		if unknown.Entry != "" {
			s.entries[unknown.Key] = append(s.entries[unknown.Key], unknown.Entry)
		}
	}
	return s
}

// add adds what Flux applies, and what Crossplane composes besides. Of an object
// that two Kustomizations apply the last one counts.
func (s *side) add(cluster *render.Cluster) {
	applied := cluster.Objects()
	for _, object := range applied {
		s.index[model.PlaceOf(object)] = object
	}
	for _, object := range applied {
		if s.get(object) == object {
			s.objects = append(s.objects, object)
		}
	}
	for _, object := range cluster.Composed {
		if s.get(object) == nil {
			s.index[model.PlaceOf(object)] = object
			s.objects = append(s.objects, object)
		}
	}
}

// silentOn tells whether a rendering cannot know what a Kustomization of the
// other one applies: it cannot be rendered here, or what applies it cannot.
func (s side) silentOn(k *render.Kustomization) bool {
	for ; k != nil; k = k.Parent {
		if s.broken[k.Key()] {
			return true
		}
		if s.applied[k.Key()] != nil {
			return false
		}
	}
	return false
}

func compareCluster(path string, before, after side) Cluster {
	cluster := Cluster{Path: path}
	unknown := map[render.Key]int{}
	for _, old := range before.objects {
		switch {
		case after.get(old) != nil:
		case after.silentOn(old.Owner):
			unknown[old.Owner.Key()]++
		case kept(old) != "":
			cluster.Left = append(cluster.Left, newObject(old, kept(old)))
		default:
			cluster.Deleted = append(cluster.Deleted, newObject(old, ""))
		}
	}
	for _, current := range after.objects {
		old := before.get(current)
		if old == nil {
			note := ""
			if before.silentOn(current.Owner) {
				note = "may exist already: its Kustomization cannot be rendered in full before the change"
			}
			cluster.Created = append(cluster.Created, newObject(current, note))
			continue
		}
		if old.Owner.Key() != current.Owner.Key() {
			owned := newObject(current, "")
			owned.Before = old.Owner.String()
			cluster.Owned = append(cluster.Owned, owned)
		}
		if changes := compareObjects(old, current); len(changes) > 0 {
			changed := newObject(current, "")
			changed.Changes = changes
			cluster.Changed = append(cluster.Changed, changed)
		}
	}
	for _, key := range sorted(unknown) {
		note := fmt.Sprintf("cannot be rendered in full after the change: %d of its objects are not compared", unknown[key])
		cluster.Unknown = append(cluster.Unknown, notCompared(before.applied[key], note))
	}
	for _, key := range sorted(after.applied) {
		if note := changesOfEntries(before.entries[key], after.entries[key]); note != "" && before.applied[key] != nil {
			cluster.Unknown = append(cluster.Unknown, notCompared(after.applied[key], note))
		}
	}
	return cluster
}

func sorted[V any](of map[render.Key]V) []render.Key {
	return slices.SortedFunc(maps.Keys(of), func(a, b render.Key) int { return strings.Compare(a.String(), b.String()) })
}

// changesOfEntries says what only the network has on one side alone; empty for
// nothing.
func changesOfEntries(before, after []string) string {
	only := func(some, others []string) []string {
		return slices.DeleteFunc(slices.Clone(some), func(entry string) bool { return slices.Contains(others, entry) })
	}
	gone, come := only(before, after), only(after, before)
	switch {
	case len(gone) > 0 && len(come) > 0:
		return fmt.Sprintf("takes %s from the network instead of %s, which is not compared", strings.Join(come, ", "), strings.Join(gone, ", "))
	case len(gone) > 0:
		return fmt.Sprintf("no longer takes %s from the network, which is not compared", strings.Join(gone, ", "))
	case len(come) > 0:
		return fmt.Sprintf("takes %s from the network, too, which is not compared", strings.Join(come, ", "))
	default:
		return ""
	}
}

// kept says why Flux would not delete an object that is no longer declared.
func kept(object *render.Object) string {
	switch {
	case object.Bundled, object.GetAnnotations()["helm.sh/resource-policy"] == "keep" && object.Owner.Release != nil:
		return "Helm keeps it"
	case !object.Owner.Spec.Prune:
		return "its Kustomization does not prune"
	case object.GetAnnotations()[pruneKey] == kustomizev1.DisabledValue, object.GetLabels()[pruneKey] == kustomizev1.DisabledValue:
		return "it is marked not to be pruned"
	default:
		return ""
	}
}

var pruneKey = kustomizev1.GroupVersion.Group + "/prune"

func newObject(object *render.Object, note string) Object {
	return Object{Key: object.Key(), Name: object.Key().String(), Owner: object.Owner.String(), At: Place(object.Locate()), Note: note}
}

func notCompared(k *render.Kustomization, note string) Object {
	o := Object{Key: k.Key(), Name: k.Key().String(), Owner: k.String(), Note: note}
	if k.Object != nil {
		o.At = Place(k.Object.Locate())
	}
	return o
}
