// Package diff compares two revisions of a repository, object by object and field by
// field: it shows what a push would do to each cluster.
//
// The most dangerous surprises come first: objects that Flux would delete, then objects
// that move to another Kustomization. A part that cannot be rendered on one side is not
// compared but listed as unknown: Flux does not touch what it cannot build, and content
// that only the network has may still exist.
//
// The package reads models and prints. The model knows the fate of an object that is no
// longer declared; validate's rules judge whether a difference is dangerous.
package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Cluster is the difference in one cluster. Each list is in the order in which Flux
// applies the objects, or applied them.
type Cluster struct {
	// Path is the folder of the cluster's root Kustomization.
	Path string `json:"cluster"`
	// Deleted objects are no longer declared and will be deleted. Left are no longer
	// declared but stay, because nothing prunes them.
	Deleted []Object `json:"deleted,omitempty"`
	Left    []Object `json:"leftBehind,omitempty"`
	// Owned objects move to another Kustomization. Their other differences are in
	// Changed.
	Owned []Object `json:"newlyOwned,omitempty"`
	// Created objects did not exist in the first revision.
	Created []Object `json:"created,omitempty"`
	Changed []Object `json:"changed,omitempty"`
	// Unknown are Kustomizations that cannot be compared.
	Unknown []Object `json:"unknown,omitempty"`
}

// Same reports whether nothing differs.
func (c Cluster) Same() bool {
	return len(c.Deleted)+len(c.Left)+len(c.Owned)+len(c.Created)+len(c.Changed)+len(c.Unknown) == 0
}

// Object is an object with what differs about it.
type Object struct {
	Key render.Key `json:"-"`
	// Name is the object's key as text.
	Name string `json:"object"`
	// Owner is the Kustomization that applies it; Before the earlier one, if it differs.
	Owner  string `json:"kustomization"`
	Before string `json:"before,omitempty"`
	// At is where the object is declared; for a deleted one, where it was declared.
	At Place `json:"at"`
	// Note says what else happens, or does not happen.
	Note string `json:"note,omitempty"`
	// Changes are the fields of a changed object.
	Changes []Change `json:"changes,omitempty"`
}

// Place is a location in the repository.
type Place render.Location

// String returns the place in the form file:line.
func (p Place) String() string { return render.Location(p).String() }

// MarshalJSON returns the place as text, in the form file:line.
func (p Place) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// Compare compares two revisions, cluster by cluster, in the order of their paths. It
// locates objects, so both renderings must still be open.
func Compare(before, after []*model.Cluster) []Cluster {
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

func byPath(clusters []*model.Cluster) map[string]*model.Cluster {
	found := map[string]*model.Cluster{}
	for _, cluster := range clusters {
		found[cluster.Path] = cluster
	}
	return found
}

// side is one of the two revisions of a cluster, which may lack it.
type side struct {
	cluster *model.Cluster
	objects []*render.Object
	index   map[model.Place]*render.Object
	// entries has, by Kustomization, the addresses of content that only the network has.
	entries map[render.Key][]string
}

// get returns this side's version of an object of the other side, or nil.
func (s side) get(o *render.Object) *render.Object { return s.index[model.PlaceOf(o)] }

func newSide(cluster *model.Cluster) side {
	s := side{cluster: cluster, index: map[model.Place]*render.Object{}, entries: map[render.Key][]string{}}
	if cluster == nil {
		return s
	}
	s.add(cluster)
	for _, unknown := range cluster.Unknowns {
		if unknown.Entry != "" {
			s.entries[unknown.Key] = append(s.entries[unknown.Key], unknown.Entry)
		}
	}
	return s
}

// add adds the objects that Flux applies and Crossplane composes. If two Kustomizations
// apply one object, the last one counts.
func (s *side) add(cluster *model.Cluster) {
	applied := cluster.All()
	for _, object := range applied {
		s.index[model.PlaceOf(object)] = object
	}
	for _, object := range applied {
		if s.get(object) == object {
			s.objects = append(s.objects, object)
		}
	}
	for _, object := range cluster.Composed() {
		if s.get(object) == nil {
			s.index[model.PlaceOf(object)] = object
			s.objects = append(s.objects, object)
		}
	}
}

// kustomization returns the Kustomization with a key, or nil.
func (s side) kustomization(key render.Key) *render.Applier {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Applier(key)
}

func compareCluster(path string, before, after side) Cluster {
	cluster := Cluster{Path: path}
	cluster.compareGone(before, after)
	for _, current := range after.objects {
		old := before.get(current)
		if old == nil {
			note := ""
			if before.cluster.SilentOn(current.Owner) {
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
	for _, key := range sorted(after.entries, before.entries) {
		k, note := after.kustomization(key), changesOfEntries(before.entries[key], after.entries[key])
		if note != "" && k != nil && before.kustomization(key) != nil {
			cluster.Unknown = append(cluster.Unknown, notCompared(k, note))
		}
	}
	return cluster
}

// compareGone lists the objects that are only on the first side, with their fate.
func (c *Cluster) compareGone(before, after side) {
	reasons, count := map[render.Key]string{}, map[render.Key]int{}
	for _, old := range before.objects {
		if after.get(old) != nil {
			continue
		}
		switch fate, reason := before.cluster.Fate(old, after.cluster); fate {
		case model.Unclear:
			reasons[old.Owner.Key()] = reason
			count[old.Owner.Key()]++
		case model.Kept:
			c.Left = append(c.Left, newObject(old, reason))
		case model.Deleted:
			c.Deleted = append(c.Deleted, newObject(old, ""))
		}
	}
	for _, key := range sorted(reasons) {
		note := fmt.Sprintf("%s: %d of its objects are not compared", reasons[key], count[key])
		c.Unknown = append(c.Unknown, notCompared(before.kustomization(key), note))
	}
}

// sorted returns the keys of maps, sorted and each once.
func sorted[V any](some ...map[render.Key]V) []render.Key {
	all := map[render.Key]bool{}
	for _, m := range some {
		for key := range m {
			all[key] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b render.Key) int { return strings.Compare(a.String(), b.String()) })
}

// changesOfEntries describes the network content that is only on one side; empty for
// none.
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

func newObject(object *render.Object, note string) Object {
	return Object{Key: object.Key(), Name: object.Key().String(), Owner: object.Owner.String(), At: Place(object.Locate()), Note: note}
}

func notCompared(k *render.Applier, note string) Object {
	o := Object{Key: k.Key(), Name: k.Key().String(), Owner: k.String(), Note: note}
	if k.Object != nil {
		o.At = Place(k.Object.Locate())
	}
	return o
}
